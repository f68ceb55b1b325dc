/*
 * Looks from a session of its own what holds up another session of pgberth's, and ends
 * that. For pg/ alone. Any thread.
 */
#ifndef PGBERTH_PG_BLOCKER_H
#define PGBERTH_PG_BLOCKER_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "pg/session.h"

/*
 * Fills err for a statement that is not answered: ERR_LOCKED with the session or the
 * prepared transaction that holds the lock, and what to do about it; ERR_SERVER with what
 * it waits for else. Leaves err alone when the server does not tell.
 */
void blocker_tell(const struct pg_session *session, struct error *err);

/* Fills err with ERR_LOCKED, and is true, when a login to the server waits for a lock: who
 * holds that. */
bool blocker_tell_logins(struct pg_session *session, struct error *err);

/* Ends the server's process of a session. True when that has ended. */
bool blocker_end(const struct pg_session *session);

/* Appends a statement for single-user mode, and reads from what that printed which
 * prepared transaction holds the admin role; false: none. */
bool blocker_single_sql(struct buf *ret);
bool blocker_single_tell(const char *printed, struct error *err);

#endif
