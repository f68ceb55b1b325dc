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
#include "pg/session.h"

/* Main thread, once; cfg is borrowed for ever. */
bool pg_init(struct error *err);

/* Opens a session over the socket; end *ret with pg_close(). All of its statements
 * together are waited for until a moment before the deadline. */
enum pg_outcome pg_open(struct pg_session **ret, const struct pg_door *door,
			long long deadline_ms, struct error *err);

/* Gives the session's statements from now on another deadline. */
void pg_extend(struct pg_session *session, long long deadline_ms);

/* True, with ERR_LOCKED, when logins to the database postgres wait for a lock, as a session
 * in another database sees: who holds it. */
bool pg_tells_lock(struct pg_session *session, struct error *err);

/* Ends the session; cancels a statement that was not answered. */
void pg_close(struct pg_session *session);

/*
 * Runs a statement, which is a transaction of its own; the first value of its result, if
 * any, goes to ret_value. A statement that was not answered in time fails with
 * ERR_LOCKED, naming who holds the lock that it waited for, or with ERR_SERVER.
 */
enum pg_outcome pg_run(struct pg_session *session, const char *sql, char *ret_value,
		       size_t size, struct error *err);

/*
 * Runs statements that make one change, in one transaction, which is committed only after
 * they were answered in time: a change that was given up is not made later either. Only
 * the answer to the commit itself can be missing; then the session in the server is
 * ended, and *ret_is_open (may be NULL) tells that the change may have been made.
 */
enum pg_outcome pg_change(struct pg_session *session, const char *sql, bool *ret_is_open,
			  struct error *err);

/* A login as the admin user through the published port. */
struct pg_login {
	int port, version;
	const char *password;
	const char *cluster_name;
	const struct buf *options; /* more settings, as options_pairs() writes them */
	bool is_accepted; /* out: the password was sent and not refused, whatever came then */
};

/*
 * Logs in with TLS and channel binding, and checks that the server names itself
 * cluster_name. PG_FULL when no connection is left, nor one for replication. A server that
 * has accepted the password may refuse the proof's settings, so it is asked again without.
 */
enum pg_outcome pg_login(struct pg_login *login, long long deadline_ms,
			 struct error *err);

/* Asks the server at the published port for a login: PG_OK when it asks for SCRAM;
 * PG_FULL, with err, when it would if it had room. */
enum pg_outcome pg_asks_for_scram(int port, long long deadline_ms, struct error *err);

#endif
