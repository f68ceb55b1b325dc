/* A proof takes socket and port, and a login if a password is given. */
#include "instance/prove.h"

#include <stdio.h>
#include <string.h>

#include "base/audit.h"
#include "base/deadline.h"
#include "base/kill_point.h"
#include "base/log.h"
#include "instance/hba.h"
#include "pg/pg.h"
#include "pg/role.h"

#define POLL_MS 3

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
	return outcome == PG_REFUSED &&
	       hba_probe(record, HBA_PROBE_MS, &ignored) == PG_OK;
}

/* A reload takes a moment, in which the old pg_hba.conf applies. */
static enum pg_outcome login_prove(const struct attempt *attempt, struct error *err)
{
	const struct record *record = &attempt->view->record;
	long long deadline = deadline_in_ms(PROOF_TIMEOUT_MS);
	bool was_away = false;
	struct error last;

	for (;;) {
		enum pg_outcome outcome;

		outcome = pg_login(record->port, record->version, attempt->password,
				   record->storage_dir, deadline, err);
		if (outcome == PG_FAILED && was_away && deadline_passed(deadline)) {
			*err = last; /* rather than that the last try ran out of time */
			return PG_NOT_YET;
		}
		if (outcome == PG_OK || outcome == PG_FAILED ||
		    deadline_passed(deadline) ||
		    (outcome == PG_REFUSED &&
		     !strstr(err->message, "no pg_hba.conf entry")))
			return outcome;
		was_away = outcome == PG_NOT_YET;
		last = *err;
		sleep_ms(POLL_MS);
	}
}

/* The port may answer a moment after the socket. */
static bool port_prove(const struct record *record, struct error *err)
{
	long long deadline = deadline_in_ms(PROOF_TIMEOUT_MS);

	while (hba_probe(record, HBA_PROBE_MS, err) != PG_OK) {
		if (deadline_passed(deadline))
			return false;
		sleep_ms(POLL_MS);
	}
	return true;
}

bool prove(const struct attempt *attempt, struct error *err)
{
	const struct record *record = &attempt->view->record;
	enum pg_outcome outcome;

	if (!open_wait(attempt, err))
		return false;
	if (attempt->password)
		return login_prove(attempt, err) == PG_OK;
	outcome = role_answers(record, deadline_in_ms(PROOF_TIMEOUT_MS), err);
	if (outcome != PG_OK && outcome != PG_REFUSED)
		return false;
	return port_prove(record, err) ||
	       fail_because(err, "it answers on its socket, but not at its port; if "
				 "firewall rules were flushed, restart the engine");
}

/* Proves the server; if settings of the role refuse the right password, resets them, but
 * only then, since they may be the tenant's. */
bool prove_or_reset(const struct attempt *attempt, struct error *err)
{
	const struct record *record = &attempt->view->record;
	struct error first;

	if (prove(attempt, err))
		return true;
	if (!attempt->password || err->code != ERR_SERVER)
		return false; /* the role's settings do not matter there */
	first = *err;
	if (role_reset(record, deadline_in_ms(PROOF_TIMEOUT_MS), err) != PG_OK) {
		*err = first;
		return false;
	}
	log_warn("admin role settings reset name=%s because=%s", record->storage_dir,
		 LOG_TEXT(first.message));
	audit_own("reset", record->storage_dir, "");
	return prove(attempt, err);
}

/* The role is what it was before, or the message says that it is not. */
static void role_undo(const struct record *record, const char *kept, struct error *err)
{
	char why[sizeof(err->message)];
	struct error not_undone;

	if (!*kept)
		fail(&not_undone, ERR_SERVER, "its verifier is too long");
	else if (role_put_back(record, kept, deadline_in_ms(PROOF_TIMEOUT_MS),
			       &not_undone) == PG_OK)
		return;
	snprintf(why, sizeof(why), "%s", err->message);
	fail(err, err->code,
	     "the new password is set, but not proven (%.150s), and the old one cannot be "
	     "set again: %.150s",
	     why, not_undone.message);
}

bool prove_new_password(const struct attempt *attempt, struct error *err)
{
	const struct record *record = &attempt->view->record;
	long long deadline = deadline_in_ms(PROOF_TIMEOUT_MS);
	char kept[ROLE_SQL_SIZE];

	if (role_keep(record, kept, deadline, err) != PG_OK)
		return false;
	if (role_settle(record, attempt->verifier, deadline, err) != PG_OK)
		return err->code == ERR_LOCKED
			       ? fail_because(err, "the password stays as it was")
			       : false;
	kill_point("password.set");
	if (prove_or_reset(attempt, err)) {
		kill_point("password.proven");
		return true;
	}
	role_undo(record, kept, err);
	return false;
}
