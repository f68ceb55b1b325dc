/*
 * Logs in to a running server over its socket, as the admin role or, where that is shut
 * out, as the bootstrap superuser. Callers hold the instance's lock; any thread.
 */
#ifndef PGBERTH_PG_ROLE_SESSION_H
#define PGBERTH_PG_ROLE_SESSION_H

#include "base/error.h"
#include "model/record.h"
#include "pg/outcome.h"
#include "pg/pg.h"
#include "pg/room.h"

#define PROOF_TIMEOUT_MS 15000 /* limit of one task with a running server */

/*
 * PG_OK when the server behind the socket runs as the instance's uid and its cluster_name
 * is the instance's; PG_REFUSED when it runs as that uid, but no login is possible.
 */
enum pg_outcome role_answers(const struct record *record, long long deadline_ms,
			     struct error *err);

/* Fills err with ERR_LOCKED where a lock holds up logins, and it can be seen who holds it. */
void role_lock_tell(const struct record *record, long long deadline_ms,
		    struct error *err);

/* Opens a superuser's session; end *ret with pg_close(). The second is for a change that
 * somebody asked for, and makes room where there is none; room may be NULL. */
enum pg_outcome role_session(struct pg_session **ret, const struct record *record,
			     long long deadline_ms, struct error *err);
enum pg_outcome role_session_for_change(struct pg_session **ret,
					const struct record *record, struct room *room,
					long long deadline_ms, struct error *err);

#endif
