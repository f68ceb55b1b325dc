/*
 * The admin role of a running server, put right through its socket as a superuser,
 * whatever its tenant did to it. All with the instance's lock held; any thread.
 */
#ifndef PGBERTH_PG_ROLE_H
#define PGBERTH_PG_ROLE_H

#include "base/buf.h"
#include "base/error.h"
#include "model/config.h"
#include "model/record.h"
#include "pg/outcome.h"
#include "pg/verifier.h"

#define PROOF_TIMEOUT_MS 15000 /* for one task with a running server */

/* Main thread, once. */
void role_init(const struct config *cfg);

/*
 * PG_OK when the server behind the socket runs as the instance's uid and, where it lets
 * pgberth in, names itself by the instance; PG_REFUSED is as good where it does not.
 */
enum pg_outcome role_answers(const struct record *record, long long deadline_ms,
			     struct error *err);

/*
 * The role exists, may log in, is superuser, does not expire and has this verifier; the
 * database postgres exists. PG_REFUSED when no way in is left.
 */
enum pg_outcome role_settle(const struct record *record, const char *verifier,
			    long long deadline_ms, struct error *err);

/* The verifier of the role, "" where it has none of SCRAM, or there is no such role. */
enum pg_outcome role_verifier(const struct record *record, char ret[VERIFIER_SIZE],
			      long long deadline_ms, struct error *err);

/* The settings of role and database, and login event triggers, that may keep it out. */
enum pg_outcome role_reset(const struct record *record, long long deadline_ms,
			   struct error *err);

/* The server reads its configuration files again. */
enum pg_outcome role_reload(const struct record *record, long long deadline_ms,
			    struct error *err);

/*
 * The server reads its configuration files again, and has read them: whoever connects
 * from now on is let in by them. Then connections are ended that come by TCP from none
 * of the clients, or without TLS where the record requires it.
 */
enum pg_outcome role_admit(const struct record *record, const struct networks *clients,
			   long long deadline_ms, struct error *err);

/* The text of repair.sql, which does in single-user mode what role_settle() does. */
bool role_repair_sql(struct buf *ret, const char *verifier);

#endif
