/*
 * Statements on one connection to a server's socket, with a time for all of them. A
 * statement that was not answered is cancelled when its session is closed. For pg/ alone.
 * Any thread.
 */
#ifndef PGBERTH_PG_SESSION_H
#define PGBERTH_PG_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "pg/outcome.h"
#include "pg/wire.h"

/* The server behind a socket, and the role and database of a login there. */
struct pg_door {
	int run_dir; /* descriptor of the socket directory; borrowed */
	int uid;     /* uid that the server must run as */
	int version;
	const char *user, *database; /* constant */
	bool is_plain;		     /* its owner's settings apply */
	bool is_replication;	     /* takes one of the connections for replication */
	const struct buf *options;   /* more settings, as options_pairs() writes them */
	long long login_by_ms; /* deadline of the login, 0: that of the statements */
};

struct pg_session {
	struct pg_wire wire;
	struct pg_door door;   /* run_dir is the session's own; -1: it is over a port */
	long long deadline_ms; /* the caller's; statements are waited for until a moment
				  before it */
	bool is_busy;	       /* a statement was not answered to its end */
	bool is_detour; /* logins to the database that was meant were not answered */
};

/* Logs in. PG_OK: end *ret with session_close(). Each other outcome leaves nothing. */
enum pg_outcome session_open(struct pg_session *ret, const struct pg_door *door,
			     long long deadline_ms, struct error *err);

/* Waits for the statements from now on until a moment before another deadline. */
void session_extend(struct pg_session *session, long long deadline_ms);

/* Runs a statement; the first value of its result, if any, goes to ret_value. */
enum pg_outcome session_run(struct pg_session *session, const char *sql, char *ret_value,
			    size_t size, struct error *err);

/* True when the time ran out before the statement was answered. */
bool session_is_late(const struct pg_session *session);

/* The pid of the server's process, in its container; 0: not known. */
int session_pid(const struct pg_session *session);

void session_close(struct pg_session *session);

#define AUTO_SESSION __attribute__((cleanup(session_close))) struct pg_session

#endif
