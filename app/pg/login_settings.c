/*
 * A result is one value, so lists come as lines with tabs. Names are PostgreSQL's own: a
 * setting of a module that is not loaded keeps nobody out.
 */
#include "pg/login_settings.h"

#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "model/config.h"

#define LIST_SIZE 16384

/* Rows of the settings that apply (pg_db_role_setting): s, and each of them: c. */
#define APPLYING                                                                         \
	"FROM pg_catalog.pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c "         \
	"WHERE s.setdatabase IN (0, (SELECT oid FROM pg_catalog.pg_database "            \
	"WHERE datname = 'postgres')) AND s.setrole IN (0, (SELECT oid "                 \
	"FROM pg_catalog.pg_roles WHERE rolname = '%1$s')) "

static const char settings_sql[] =
	"SELECT string_agg(name || E'\\t' || boot_val, E'\\n') "
	"FROM pg_catalog.pg_settings WHERE name ~ '^[A-Za-z_]+$' "
	"AND boot_val !~ '[\\t\\n]' AND lower(name) IN (SELECT "
	"lower(split_part(c, '=', 1)) " APPLYING ")";

static const char reset_sql[] =
	"SELECT CASE WHEN setrole <> 0 AND setdatabase <> 0 "
	"THEN 'ALTER ROLE \"%1$s\" IN DATABASE postgres' "
	"WHEN setrole <> 0 THEN 'ALTER ROLE \"%1$s\"' "
	"WHEN setdatabase <> 0 THEN 'ALTER DATABASE postgres' ELSE 'ALTER ROLE ALL' END "
	"|| ' RESET %2$s' || E'\\t' || c " APPLYING
	"AND lower(split_part(c, '=', 1)) = lower('%2$s') "
	"ORDER BY setrole <> 0 DESC, setdatabase <> 0 DESC LIMIT 1";

static const char triggers_sql[] =
	"SELECT string_agg(format('%I', evtname) || E'\\t' || evtenabled::text, E'\\n' "
	"ORDER BY evtname) FROM pg_catalog.pg_event_trigger "
	"WHERE evtevent = 'login' AND evtenabled IN ('O', 'A')";

/* Runs a statement about the admin role, and perhaps a setting. */
static enum pg_outcome admin_run(struct pg_session *session, const char *fmt,
				 const char *name, char *ret, size_t size,
				 struct error *err)
{
	char sql[2048];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(sql, sizeof(sql), fmt, config()->admin_user, name);
#pragma GCC diagnostic pop
	return pg_run(session, sql, ret, size, err);
}

static void setting_add(struct login_settings *settings, const char *name,
			const char *neutral)
{
	int i = settings->count;

	if (i == LOGIN_SETTINGS_MAX || strlen(name) >= sizeof(settings->list[i].name) ||
	    strlen(neutral) >= sizeof(settings->list[i].neutral))
		return;
	snprintf(settings->list[i].name, sizeof(settings->list[i].name), "%s", name);
	snprintf(settings->list[i].neutral, sizeof(settings->list[i].neutral), "%s",
		 neutral);
	settings->count++;
}

enum pg_outcome login_triggers_list(struct pg_session *session, struct login_trigger *ret,
				    int max, int *ret_count, struct error *err)
{
	char text[4096], *rest = text, *line;
	enum pg_outcome outcome = pg_run(session, triggers_sql, text, sizeof(text), err);
	int count = 0;

	while (outcome == PG_OK && count < max && (line = strsep(&rest, "\n"))) {
		char *tab = strchr(line, '\t');

		if (!tab || tab - line >= (long)sizeof(ret->name))
			continue; /* also the end of a list that is too long */
		*tab = '\0';
		snprintf(ret[count].name, sizeof(ret->name), "%s", line);
		ret[count++].is_always = tab[1] == 'A';
	}
	*ret_count = count;
	return outcome;
}

enum pg_outcome login_settings_list(struct pg_session *session, int version,
				    struct login_settings *ret, struct error *err)
{
	char text[LIST_SIZE], *rest = text, *line;
	enum pg_outcome outcome =
		admin_run(session, settings_sql, "", text, sizeof(text), err);
	struct login_trigger first;
	int triggers = 0;

	ret->count = 0;
	while (outcome == PG_OK && ret->count < LOGIN_SETTINGS_MAX - 1 &&
	       (line = strsep(&rest, "\n"))) {
		char *tab = strchr(line, '\t');

		if (!tab)
			continue;
		*tab = '\0';
		setting_add(ret, line, tab + 1);
	}
	if (outcome == PG_OK && version >= 17)
		outcome = login_triggers_list(session, &first, 1, &triggers, err);
	if (triggers)
		setting_add(ret, LOGIN_TRIGGERS, "off");
	return outcome;
}

bool login_setting_override(struct buf *options, const struct login_settings *settings,
			    int i)
{
	const char *name = settings->list[i].name, *neutral = settings->list[i].neutral;

	return buf_append(options, name, strlen(name) + 1) &&
	       buf_append(options, neutral, strlen(neutral) + 1);
}

enum pg_outcome login_setting_reset(struct pg_session *session, const char *name,
				    char ret_done[LOGIN_DONE_SIZE], struct error *err)
{
	char sql[LOGIN_DONE_SIZE], *tab;
	enum pg_outcome outcome =
		admin_run(session, reset_sql, name, sql, sizeof(sql), err);

	ret_done[0] = '\0';
	tab = outcome == PG_OK ? strchr(sql, '\t') : NULL;
	if (!tab)
		return outcome;
	*tab = '\0';
	snprintf(ret_done, LOGIN_DONE_SIZE, "%.200s, which was %.180s", sql, tab + 1);
	return pg_change(session, sql, NULL, err);
}

enum pg_outcome login_trigger_switch(struct pg_session *session,
				     const struct login_trigger *trigger, bool on,
				     struct error *err)
{
	const char *how = !on		       ? "DISABLE"
			  : trigger->is_always ? "ENABLE ALWAYS"
					       : "ENABLE";
	char sql[200];

	snprintf(sql, sizeof(sql), "ALTER EVENT TRIGGER %s %s", trigger->name, how);
	return pg_change(session, sql, NULL, err);
}
