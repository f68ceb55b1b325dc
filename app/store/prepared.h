/* Prepared transactions that outlast a server and hold locks that no login gets past. */
#ifndef PGBERTH_STORE_PREPARED_H
#define PGBERTH_STORE_PREPARED_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"

#define PREPARED_GID_SIZE 100
#define PREPARED_MAX 8
#define PREPARED_FILE_SIZE 48

/* Transactions that were set aside; begins with zeros. */
struct prepared_aside {
	char file[PREPARED_MAX][PREPARED_FILE_SIZE]; /* names before */
	int count;
	char gid[PREPARED_GID_SIZE]; /* of the first */
};

/* True when a prepared transaction locks a table that each login reads; its gid, as one
 * line. Sees those that a checkpoint has written, as a stop or a recovery does. */
bool store_prepared_locks(const struct record *record, char ret_gid[PREPARED_GID_SIZE]);

/*
 * Sets the files of such transactions aside, each under its name with ".aside", which
 * PostgreSQL passes over: the transaction counts as rolled back. The server must not run.
 * Also puts them back.
 */
bool store_prepared_aside(const struct record *record, struct prepared_aside *ret,
			  struct error *err);
void store_prepared_back(const struct record *record, const struct prepared_aside *aside);

#endif
