/* A proof takes socket and port, and a login if a password is given. */
#include "instance/prove.h"

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

		outcome = pg_login(record->port, attempt->password, record->storage_dir,
				   deadline, err);
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

/* A password that cannot be proven is undone, so that the old one holds. */
bool prove_new_password(const struct attempt *attempt, struct error *err)
{
	const struct record *record = &attempt->view->record;
	long long deadline = deadline_in_ms(PROOF_TIMEOUT_MS);
	char old[VERIFIER_SIZE];
	struct error ignored;

	if (role_verifier(record, old, deadline, err) != PG_OK ||
	    role_settle(record, attempt->verifier, deadline, err) != PG_OK)
		return false;
	kill_point("password.set");
	if (prove_or_reset(attempt, err)) {
		kill_point("password.proven");
		return true;
	}
	if (*old)
		role_settle(record, old, deadline_in_ms(PROOF_TIMEOUT_MS), &ignored);
	return false;
}
