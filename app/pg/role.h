/*
 * Repairs the admin role of a running server, over its socket and as a superuser,
 * whatever its tenant did to the role. Where the tenant has taken all connections, changes
 * take one of them (pg/room). Callers hold the instance's lock; any thread.
 */
#ifndef PGBERTH_PG_ROLE_H
#define PGBERTH_PG_ROLE_H

#include "base/buf.h"
#include "base/error.h"
#include "model/record.h"
#include "pg/outcome.h"
#include "pg/pg.h"
#include "pg/verifier.h"

#define ROLE_DONE_SIZE 120

/* Tells ("" unless it is so) that max_connections exceeds the processes that the
 * container may have. */
enum pg_outcome role_crowd(const struct record *record, char ret[ROLE_DONE_SIZE],
			   long long deadline_ms, struct error *err);

/*
 * Makes sure that the database postgres exists and can be used, and that the role exists,
 * may log in, is superuser, does not expire and has this verifier. PG_REFUSED when no
 * login is possible. A failure leaves the role as it is, also later; else its message
 * says so. ERR_LOCKED names who holds a lock on the role. ret_done tells the owner what
 * was done to the database ("": nothing).
 */
enum pg_outcome role_settle(const struct record *record, const char *verifier,
			    char ret_done[ROLE_DONE_SIZE], long long deadline_ms,
			    struct error *err);

/* The same in a session of role_session_for_change(). */
enum pg_outcome role_settle_in(struct pg_session *session, const struct record *record,
			       const char *verifier, char ret_done[ROLE_DONE_SIZE],
			       struct error *err);

#define ROLE_SQL_SIZE 1024

/* Writes the statement that makes the role again what it is now to ret; the session may
 * idle from then on. */
enum pg_outcome role_keep(struct pg_session *session, char ret[ROLE_SQL_SIZE],
			  struct error *err);

/* Runs it, in that session or, where it has ended, in another one. */
enum pg_outcome role_put_back(struct pg_session *session, const struct record *record,
			      const char *kept, long long deadline_ms, struct error *err);

/* Appends the text of repair.sql, which is role_settle() for single-user mode. */
bool role_repair_sql(struct buf *ret, const char *verifier);

/* False with ERR_LOCKED when a prepared transaction kept single-user mode, which printed
 * this, from changing the role. */
bool role_repair_check(const char *printed, struct error *err);

#endif
