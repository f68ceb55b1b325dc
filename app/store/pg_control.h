/* pg_control of a data directory: gives it a new identity, checks that it is whole. */
#ifndef PGBERTH_STORE_PG_CONTROL_H
#define PGBERTH_STORE_PG_CONTROL_H

#include <stdbool.h>

#include "base/error.h"

/*
 * Gives the cluster at data (a directory descriptor; never started since its clean
 * shutdown) a random system identifier: in global/pg_control, with a new CRC-32C, and in
 * the long page header at the beginning of each WAL segment.
 */
bool pg_control_renew(int data, struct error *err);

/*
 * Checks that the pg_control of data is whole (its CRC fits) and has the format and
 * catalogs of the template's; both are directory descriptors. Errors: ERR_FOREIGN_DATA.
 */
bool pg_control_check(int data, int template, struct error *err);

/* Settings that the last server which came up on the data ran with. */
struct pg_control_settings {
	bool is_shut_down; /* and was shut down in order since */
	bool is_logical;   /* wal_level */
	int max_connections, max_workers, max_senders, max_prepared, max_locks;
};

/* Reads them; all 0 when they cannot be read. */
void pg_control_settings(int data, struct pg_control_settings *ret);

#endif
