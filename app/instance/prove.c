/* A proof takes socket and port, and a login if a password is given. */
#include "instance/prove.h"

#include <stdio.h>
#include <string.h>

#include "base/audit_begun.h"
#include "base/deadline.h"
#include "base/kill_point.h"
#include "instance/hba.h"
#include "instance/reason.h"
#include "instance/shut_out.h"
#include "pg/pg.h"
#include "pg/role.h"
#include "pg/role_session.h"

#define POLL_MS 3
#define LOCK_LOOK_MS 9000
#define ENDED_MAX 4 /* logins whose session ended before it was ready */

/* Only a call with a password waits while the server starts, as its client does. A tenant
 * that shut pgberth out is no reason to call an open server broken. */
static bool open_wait(const struct attempt *attempt, struct error *err)
{
	const struct record *record = &attempt->view->record;
	long long deadline = deadline_in_ms(PROOF_TIMEOUT_MS);
	enum pg_outcome outcome;
	struct error ignored;

	while ((outcome = hba_open(record, err)) == PG_NOT_YET && attempt->password &&
	       !deadline_passed(deadline))
		sleep_ms(POLL_MS);
	if (outcome == PG_OK)
		return true;
	return (outcome == PG_REFUSED || outcome == PG_FULL) &&
	       pg_is_well(hba_probe(record, HBA_PROBE_MS, &ignored));
}

/* A full server may have room a moment later, or once room is made in it. */
static enum pg_outcome login_get(struct attempt *attempt, struct pg_login *login,
				 long long deadline, struct error *err)
{
	enum pg_outcome outcome;

	do
		outcome = pg_login(login, deadline, err);
	while (outcome == PG_FULL &&
	       room_wait(&attempt->room, &attempt->view->record, deadline));
	return outcome;
}

/* A reload takes a moment, in which the old pg_hba.conf applies. A session that ends in
 * each of its logins is not ended by a server that goes down. */
static enum pg_outcome login_prove(struct attempt *attempt, struct error *err)
{
	const struct record *record = &attempt->view->record;
	struct pg_login login = { .port = record->port,
				  .version = record->version,
				  .password = attempt->password,
				  .cluster_name = record->storage_dir };
	long long deadline = deadline_in_ms(PROOF_TIMEOUT_MS);
	bool was_away = false;
	int ended = 0;
	struct error last;

	for (;;) {
		enum pg_outcome outcome = login_get(attempt, &login, deadline, err);

		attempt->is_accepted = attempt->is_accepted || login.is_accepted;
		if (outcome == PG_NOT_YET && login.is_accepted && ++ended == ENDED_MAX) {
			err->code = ERR_SERVER;
			return PG_REFUSED;
		}
		if (outcome == PG_FAILED && login.is_accepted &&
		    deadline_passed(deadline)) {
			role_lock_tell(record, deadline_in_ms(LOCK_LOOK_MS), err);
			return outcome;
		}
		if (outcome == PG_FAILED && was_away && deadline_passed(deadline)) {
			*err = last; /* rather than that the last try ran out of time */
			return PG_NOT_YET;
		}
		if (outcome != PG_NOT_YET &&
		    (outcome != PG_REFUSED ||
		     !strstr(err->message, "no pg_hba.conf entry")))
			return outcome;
		if (deadline_passed(deadline))
			return outcome;
		was_away = outcome == PG_NOT_YET;
		last = *err;
		sleep_ms(POLL_MS);
	}
}

/* The port may answer a moment after the socket. */
static enum pg_outcome port_prove(const struct record *record, struct error *err)
{
	long long deadline = deadline_in_ms(PROOF_TIMEOUT_MS);
	enum pg_outcome outcome;

	while (!pg_is_well(outcome = hba_probe(record, HBA_PROBE_MS, err)) &&
	       !deadline_passed(deadline))
		sleep_ms(POLL_MS);
	return outcome;
}

/* A server that runs and does not let pgberth in is its tenant's affair, but told. */
static bool server_prove(struct attempt *attempt, enum pg_outcome *ret_admits,
			 struct error *err)
{
	const struct record *record = &attempt->view->record;
	enum pg_outcome outcome =
		role_answers(record, deadline_in_ms(PROOF_TIMEOUT_MS), err);

	if (outcome != PG_REFUSED && !pg_is_well(outcome))
		return false;
	if (outcome == PG_REFUSED)
		attempt_note(attempt, "%s", err->message);
	*ret_admits = port_prove(record, err);
	return pg_is_well(*ret_admits) ||
	       fail_because(err, "it answers on its socket, but not at its port; if "
				 "firewall rules were flushed, restart the engine");
}

/* A new server has no settings yet that could be too large. */
static void crowd_tell(struct attempt *attempt)
{
	char crowd[ROLE_DONE_SIZE];
	struct error ignored;

	if (!attempt->is_new &&
	    role_crowd(&attempt->view->record, crowd, deadline_in_ms(PROOF_TIMEOUT_MS),
		       &ignored) == PG_OK &&
	    *crowd)
		attempt_note(attempt, "%s", crowd);
}

bool prove(struct attempt *attempt, struct error *err)
{
	enum pg_outcome admits = PG_OK;
	char shut[REASON_SHUT_SIZE];

	if (!open_wait(attempt, err))
		return false;
	if (attempt->password ? login_prove(attempt, err) != PG_OK
			      : !server_prove(attempt, &admits, err))
		return false;
	crowd_tell(attempt);
	reason_shut(shut, admits, err->message);
	if (*shut)
		attempt_note(attempt, "%s", shut);
	return true;
}

static bool reset(struct attempt *attempt)
{
	const char *name = attempt->view->record.storage_dir;
	AUTO_BEGUN int begun = audit_begin_own("reset", name, "");

	if (!shut_out_mend(attempt))
		return false;
	audit_own("reset", name, "");
	return true;
}

bool prove_or_reset(struct attempt *attempt, struct error *err)
{
	return prove(attempt, err) || (err->code != ERR_LOCKED && attempt->is_accepted &&
				       reset(attempt) && prove(attempt, err));
}

/* The role is what it was before, or the message says that it is not. */
static void role_undo(struct pg_session *session, const struct record *record,
		      const char *kept, struct error *err)
{
	char why[sizeof(err->message)];
	struct error not_undone;

	if (!*kept)
		fail(&not_undone, ERR_SERVER, "its verifier is too long");
	else if (role_put_back(session, record, kept, deadline_in_ms(PROOF_TIMEOUT_MS),
			       &not_undone) == PG_OK)
		return;
	snprintf(why, sizeof(why), "%s", err->message);
	fail(err, err->code,
	     "the new password is set, but not proven (%.150s), and the old one cannot be "
	     "set again: %.150s",
	     why, not_undone.message);
}

bool verifier_settle(struct attempt *attempt, long long deadline_ms, struct error *err)
{
	char done[ROLE_DONE_SIZE];

	if (role_settle(&attempt->view->record, attempt->verifier, done, deadline_ms,
			err) != PG_OK)
		return false;
	if (*done)
		attempt_note(attempt, "%s", done);
	return true;
}

static bool password_set(struct pg_session *session, struct attempt *attempt,
			 struct error *err)
{
	const struct record *record = &attempt->view->record;
	char kept[ROLE_SQL_SIZE], done[ROLE_DONE_SIZE];

	if (pg_tells_lock(session, err) || role_keep(session, kept, err) != PG_OK ||
	    role_settle_in(session, record, attempt->verifier, done, err) != PG_OK)
		return err->code == ERR_LOCKED
			       ? fail_because(err, "the password stays as it was")
			       : false;
	if (*done)
		attempt_note(attempt, "%s", done);
	kill_point("password.set");
	if (prove_or_reset(attempt, err)) {
		kill_point("password.proven");
		return true;
	}
	role_undo(session, record, kept, err);
	return false;
}

/* The session stays to the end: in a full server there may be no other one to take the
 * change back. */
bool prove_new_password(struct attempt *attempt, struct error *err)
{
	struct pg_session *session;
	bool ok;

	if (role_session_for_change(&session, &attempt->view->record, &attempt->room,
				    deadline_in_ms(PROOF_TIMEOUT_MS), err) != PG_OK)
		return false;
	ok = password_set(session, attempt, err);
	pg_close(session);
	return ok;
}
