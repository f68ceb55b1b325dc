/*
 * A login brings its own values for settings, which outrank those of role and database,
 * so a setting is tried without being touched. Login triggers can only be turned off one
 * by one for all, and are turned on again where they are not the cause.
 */
#include "instance/shut_out.h"

#include <stdio.h>
#include <string.h>

#include "base/deadline.h"
#include "base/log.h"
#include "base/scope.h"
#include "pg/login_settings.h"
#include "pg/pg.h"
#include "pg/role_session.h"

#define SEARCH_MS 40000
#define TRIAL_MS 5000
#define POLL_MS 3
#define SWITCH_TRIES 10
#define SWITCH_POLL_MS 100
#define ROUNDS_MAX                                                                       \
	4 /* a setting has four places: role and database, role, database, all */
#define TRIGGERS_MAX 32

struct trial {
	struct attempt *attempt;
	struct pg_session *session;
	struct login_settings settings;
	bool is_off[LOGIN_SETTINGS_MAX]; /* settings that the login overrides */
	long long deadline_ms;
};

/* A login without the settings that are off. That nobody answers for a moment proves
 * nothing. */
static bool trial_login(const struct trial *trial)
{
	const struct record *record = &trial->attempt->view->record;
	AUTO_BUF options = { 0 };
	long long deadline_ms = deadline_in_ms(TRIAL_MS);
	struct pg_login login = { .port = record->port,
				  .version = record->version,
				  .password = trial->attempt->password,
				  .cluster_name = record->storage_dir,
				  .options = &options };
	enum pg_outcome outcome;
	struct error ignored;

	for (int i = 0; i < trial->settings.count; i++)
		if (trial->is_off[i] &&
		    !login_setting_override(&options, &trial->settings, i))
			return false;
	if (deadline_ms > trial->deadline_ms)
		deadline_ms = trial->deadline_ms;
	while ((outcome = pg_login(&login, deadline_ms, &ignored)) == PG_NOT_YET &&
	       !login.is_accepted && !deadline_passed(deadline_ms))
		sleep_ms(POLL_MS);
	return outcome == PG_OK;
}

/* A login trigger may crash the server, and the search's own session with it. */
static bool session_have(struct trial *trial)
{
	enum pg_outcome outcome;
	struct error ignored;
	char one[2];

	if (trial->session &&
	    pg_run(trial->session, "SELECT 1", one, sizeof(one), &ignored) == PG_OK)
		return true;
	pg_close(trial->session);
	trial->session = NULL;
	while ((outcome = role_session(&trial->session, &trial->attempt->view->record,
				       trial->deadline_ms, &ignored)) == PG_NOT_YET &&
	       !deadline_passed(trial->deadline_ms))
		sleep_ms(POLL_MS);
	return outcome == PG_OK;
}

static void all_set(struct trial *trial, bool is_off)
{
	for (int i = 0; i < trial->settings.count; i++)
		trial->is_off[i] = is_off;
}

/* Leaves off only those without which the login works and with which it fails. False
 * when settings are not the cause, or nothing is certain. */
static bool guilty_find(struct trial *trial)
{
	bool found = false;

	all_set(trial, true);
	if (!trial->settings.count || !trial_login(trial))
		return false;
	for (int i = 0; i < trial->settings.count; i++) {
		trial->is_off[i] = false;
		if (trial_login(trial))
			continue;
		trial->is_off[i] = true;
		if (!trial_login(trial))
			return false;
		found = true;
	}
	return found;
}

static void tell(struct trial *trial, const char *done)
{
	struct attempt *attempt = trial->attempt;

	log_warn("login mended name=%s did=%s", attempt->view->record.storage_dir,
		 LOG_TEXT(done));
	attempt_note(attempt, "the admin role could not log in: did %s", done);
}

/* A session may look alive for a moment after a trial has crashed the server. */
static bool trigger_switch(struct trial *trial, const struct login_trigger *trigger,
			   bool on)
{
	struct error ignored;

	for (int i = 0; i < SWITCH_TRIES && !deadline_passed(trial->deadline_ms); i++) {
		if (session_have(trial) &&
		    login_trigger_switch(trial->session, trigger, on, &ignored) == PG_OK)
			return true;
		sleep_ms(SWITCH_POLL_MS);
	}
	return false;
}

static void trigger_tell(struct trial *trial, const struct login_trigger *trigger)
{
	char done[LOGIN_DONE_SIZE];

	snprintf(done, sizeof(done), "ALTER EVENT TRIGGER %.140s DISABLE", trigger->name);
	tell(trial, done);
}

/* Leaves the trigger disabled if the login works by that alone. */
static bool trigger_is_alone(struct trial *trial, const struct login_trigger *trigger)
{
	if (!trigger_switch(trial, trigger, false))
		return false;
	if (!trial_login(trial)) {
		trigger_switch(trial, trigger, true);
		return false;
	}
	trigger_tell(trial, trigger);
	return true;
}

/* Leaves those disabled without which the login works and with which it fails. */
static bool triggers_are_several(struct trial *trial,
				 const struct login_trigger *triggers, int count)
{
	bool mended = false;

	for (int i = 0; i < count; i++)
		trigger_switch(trial, &triggers[i], false);
	for (int i = 0; i < count; i++) {
		if (trigger_switch(trial, &triggers[i], true) && trial_login(trial))
			continue;
		trigger_switch(trial, &triggers[i], false);
		trigger_tell(trial, &triggers[i]);
		mended = true;
	}
	return mended;
}

static bool triggers_mend(struct trial *trial)
{
	struct login_trigger triggers[TRIGGERS_MAX];
	struct error ignored;
	int count;

	if (!session_have(trial) ||
	    login_triggers_list(trial->session, triggers, TRIGGERS_MAX, &count,
				&ignored) != PG_OK)
		return false;
	for (int i = 0; i < count; i++)
		if (trigger_is_alone(trial, &triggers[i]))
			return true;
	return triggers_are_several(trial, triggers, count);
}

static bool setting_mend(struct trial *trial, int i)
{
	const char *name = trial->settings.list[i].name;
	char done[LOGIN_DONE_SIZE];
	struct error ignored;

	if (strcmp(name, LOGIN_TRIGGERS) == 0) {
		trial->is_off[i] = false;
		return triggers_mend(trial);
	}
	if (!session_have(trial) ||
	    login_setting_reset(trial->session, name, done, &ignored) != PG_OK || !*done)
		return false;
	tell(trial, done);
	return true;
}

/* True when something was reset. */
static bool round_mend(struct trial *trial)
{
	bool mended = false;
	struct error ignored;

	if (!session_have(trial) ||
	    login_settings_list(trial->session, trial->attempt->view->record.version,
				&trial->settings, &ignored) != PG_OK ||
	    !guilty_find(trial))
		return false;
	for (int i = 0; i < trial->settings.count; i++)
		if (trial->is_off[i])
			mended = setting_mend(trial, i) || mended;
	return mended;
}

bool shut_out_mend(struct attempt *attempt)
{
	struct trial trial = { .attempt = attempt,
			       .deadline_ms = deadline_in_ms(SEARCH_MS) };
	bool mended = false;

	for (int i = 0; i < ROUNDS_MAX && round_mend(&trial); i++) {
		mended = true;
		all_set(&trial, false);
		if (trial_login(&trial))
			break;
	}
	pg_close(trial.session);
	return mended;
}
