/*
 * Settings that a tenant gave to roles and databases and that apply to a login of the
 * admin role, and login event triggers. Callers hold the instance's lock; any thread.
 */
#ifndef PGBERTH_PG_LOGIN_SETTINGS_H
#define PGBERTH_PG_LOGIN_SETTINGS_H

#include "base/buf.h"
#include "pg/pg.h"

#define LOGIN_SETTINGS_MAX 64
#define LOGIN_TRIGGERS "event_triggers" /* the setting that turns them off */
#define LOGIN_DONE_SIZE 400

struct login_settings {
	struct {
		char name[64];
		char neutral[128]; /* PostgreSQL's own default */
	} list[LOGIN_SETTINGS_MAX];
	int count;
};

/* Lists them; LOGIN_TRIGGERS stands last, for all login triggers. */
enum pg_outcome login_settings_list(struct pg_session *session, int version,
				    struct login_settings *ret, struct error *err);

/* Appends an option for pg_login() that overrides the setting, as options_pairs() does. */
bool login_setting_override(struct buf *options, const struct login_settings *settings,
			    int i);

/*
 * Removes the most specific of the settings of that name, which is the one that applies.
 * ret_done: the statement that did, and what was set.
 */
enum pg_outcome login_setting_reset(struct pg_session *session, const char *name,
				    char ret_done[LOGIN_DONE_SIZE], struct error *err);

/* A login trigger; its name is quoted. */
struct login_trigger {
	char name[136];
	bool is_always;
};

/* Lists the login triggers that are enabled, the first `max` of them. */
enum pg_outcome login_triggers_list(struct pg_session *session, struct login_trigger *ret,
				    int max, int *ret_count, struct error *err);

/* Disables a trigger, or enables it as it was. */
enum pg_outcome login_trigger_switch(struct pg_session *session,
				     const struct login_trigger *trigger, bool on,
				     struct error *err);

#endif
