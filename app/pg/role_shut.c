/* A login brings its own values for settings, which outrank those of the role, the database
 * and the server, so each kind is left out in turn. */
#include "pg/role_shut.h"

#include <stdio.h>
#include <string.h>

#include "base/deadline.h"
#include "base/scope.h"
#include "model/config.h"
#include "pg/login_settings.h"
#include "pg/role_session.h"
#include "store/server_files.h"

#define TRIAL_MS 4000

/* A login of the admin role with all settings of its owner's but these. */
static enum pg_outcome admin_log_in(const struct record *record, bool is_plain,
				    const struct buf *options, struct error *err)
{
	AUTO_CLOSE int run = store_open_run(record, err);
	struct pg_door door = { .run_dir = run,
				.uid = record->uid,
				.version = record->version,
				.user = config()->admin_user,
				.database = "postgres",
				.is_plain = is_plain,
				.options = options };
	struct pg_session *session;
	enum pg_outcome outcome;

	if (run < 0)
		return PG_FAILED;
	outcome = pg_open(&session, &door, deadline_in_ms(TRIAL_MS), err);
	if (outcome == PG_OK)
		pg_close(session);
	return outcome;
}

/* Overrides the settings of role and database, and turns login triggers off. */
static bool overrides_write(const struct record *record, struct buf *ret)
{
	struct login_settings settings = { .count = 0 };
	struct pg_session *session;
	struct error ignored;
	enum pg_outcome outcome =
		role_session(&session, record, deadline_in_ms(TRIAL_MS), &ignored);

	if (outcome != PG_OK)
		return false;
	outcome = login_settings_list(session, record->version, &settings, &ignored);
	pg_close(session);
	for (int i = 0; outcome == PG_OK && i < settings.count; i++)
		if (!login_setting_override(ret, &settings, i))
			return false;
	return outcome == PG_OK && settings.count > 0;
}

static bool works_without_its_own(const struct record *record)
{
	AUTO_BUF options = { 0 };
	struct error ignored;

	return overrides_write(record, &options) &&
	       admin_log_in(record, true, &options, &ignored) == PG_OK;
}

/* The server's words may have the advice already. */
static enum role_shut by_role(struct error *err)
{
	char why[200];

	snprintf(why, sizeof(why), "%.199s", err->message);
	if (!strstr(err->message, "PUT its password"))
		fail(err, ERR_SERVER,
		     "%s; a setting of role or database, or a login trigger, is the "
		     "cause, and stays in a safe start: PUT the password, which resets "
		     "it",
		     why);
	return SHUT_BY_ROLE;
}

/* Somebody gets in, but not that role. */
static bool is_for_the_role(const struct record *record)
{
	struct error ignored;

	return role_answers(record, deadline_in_ms(TRIAL_MS), &ignored) == PG_OK;
}

enum role_shut role_shut_by(const struct record *record, struct error *err)
{
	enum pg_outcome outcome = admin_log_in(record, true, NULL, err), ours;
	struct error ignored;

	if (outcome == PG_OK || outcome == PG_FULL)
		return SHUT_BY_NOTHING;
	ours = admin_log_in(record, false, NULL, &ignored);
	if (ours == PG_REFUSED && outcome == PG_REFUSED)
		return is_for_the_role(record) ? by_role(err) : SHUT_BY_NOTHING;
	if (ours != PG_OK)
		return SHUT_BY_NOTHING;
	if (works_without_its_own(record))
		return by_role(err);
	return outcome == PG_REFUSED ? SHUT_BY_SERVER : SHUT_BY_NOTHING;
}
