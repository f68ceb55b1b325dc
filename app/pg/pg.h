/*
 * Runs SQL over an instance's socket, and proves logins. A server belongs to its tenant
 * and may be hostile: all waits and sizes are bounded, a login over TCP is SCRAM bound to
 * the TLS channel, and on the socket no byte is sent before the peer's uid is checked.
 * Any thread.
 */
#ifndef PGBERTH_PG_H
#define PGBERTH_PG_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "pg/outcome.h"

/* Main thread, once; cfg is borrowed for ever. */
bool pg_init(struct error *err);

/* The server behind a socket, and the role and database of a login there. */
struct pg_door {
	int run_dir; /* descriptor of the socket directory; borrowed */
	int uid;     /* uid that the server must run as */
	int version;
	const char *user, *database;
};

/* A session on one connection; each statement is a transaction of its own. */
struct pg_session;

/* Opens a session over the socket; end *ret with pg_close(). */
enum pg_outcome pg_open(struct pg_session **ret, const struct pg_door *door,
			long long deadline_ms, struct error *err);
void pg_close(struct pg_session *session);

/* Runs a statement; the first value of its result, if any, goes to ret_value. */
enum pg_outcome pg_run(struct pg_session *session, const char *sql, char *ret_value,
		       size_t size, struct error *err);

/*
 * Logs in as the admin user through the published port, with TLS and channel binding,
 * and checks that the server there names itself cluster_name.
 */
enum pg_outcome pg_login(int port, const char *password, const char *cluster_name,
			 long long deadline_ms, struct error *err);

/* Asks the server at the published port for a login: PG_OK when it asks for SCRAM. */
enum pg_outcome pg_asks_for_scram(int port, long long deadline_ms, struct error *err);

#endif
