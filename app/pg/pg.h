/*
 * SQL over an instance's socket, and the proof of a login. A server is its tenant's and
 * may be hostile: everything has a deadline and a size, over TCP a login is SCRAM bound
 * to the TLS channel and nothing else, and on the socket no byte is said before the
 * peer's uid was checked. Any thread.
 */
#ifndef PGBERTH_PG_H
#define PGBERTH_PG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "model/config.h"
#include "pg/outcome.h"

/* Main thread, once; cfg is borrowed for ever. */
bool pg_init(const struct config *cfg, struct error *err);

/* Who to be on the socket. */
struct pg_door {
	int run_dir; /* descriptor of the socket directory; borrowed */
	int uid;     /* that the server must run as */
	int version;
	const char *user, *database;
};

/* A run of statements on one connection: each in its own transaction. */
struct pg_session;

/* Opens a session through the socket; *ret is to be closed with pg_close(). */
enum pg_outcome pg_open(struct pg_session **ret, const struct pg_door *door,
			long long deadline_ms, struct error *err);
void pg_close(struct pg_session *session);

/* Runs one statement; of its result the first value, if any, goes to ret_value. */
enum pg_outcome pg_run(struct pg_session *session, const char *sql, char *ret_value,
		       size_t size, struct error *err);

/*
 * Logs in as the admin user through the published port, with TLS and channel binding,
 * and checks that the server there names itself cluster_name.
 */
enum pg_outcome pg_login(int port, const char *password, const char *cluster_name,
			 long long deadline_ms, struct error *err);

/* Says hello at the published port: PG_OK when it asks for SCRAM. */
enum pg_outcome pg_asks_for_scram(int port, long long deadline_ms, struct error *err);

#endif
