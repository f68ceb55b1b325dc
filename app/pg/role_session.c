/* The tenant is superuser too, so no connection is reserved from it, but those for
 * replication have slots of their own. */
#include "pg/role_session.h"

#include <string.h>

#include "base/deadline.h"
#include "base/scope.h"
#include "model/config.h"
#include "store/server_files.h"

/* Opens a session as the admin or the bootstrap superuser, in `postgres` or, if the tenant
 * dropped that, or a lock on it holds up logins, in `template1`. */
static enum pg_outcome doors_try(struct pg_session **ret, const struct record *record,
				 bool is_replication, long long deadline_ms,
				 struct error *err)
{
	const char *const doors[][2] = {
		{ config()->admin_user, "postgres" },
		{ "postgres", "postgres" },
		{ config()->admin_user, "template1" },
		{ "postgres", "template1" },
	};
	const size_t detour = 2;
	AUTO_CLOSE int run = store_open_run(record, err);
	struct pg_door door = { .run_dir = run,
				.uid = record->uid,
				.version = record->version,
				.is_replication = is_replication };
	enum pg_outcome outcome = PG_FAILED;
	bool is_late = false;

	if (run < 0)
		return PG_FAILED;
	for (size_t i = 0; i < COUNT_OF(doors); i++) {
		door.user = doors[i][0];
		door.database = doors[i][1];
		door.login_by_ms =
			i < detour ? deadline_in_ms(deadline_left_ms(deadline_ms) / 3)
				   : 0;
		outcome = pg_open(ret, &door, deadline_ms, err);
		if (outcome == PG_OK)
			(*ret)->is_detour = is_late;
		if (outcome != PG_REFUSED && (outcome != PG_FAILED || i >= detour))
			return outcome;
		if (outcome == PG_FAILED && deadline_passed(door.login_by_ms)) {
			is_late = true;
			i = detour - 1; /* it holds for both users */
		}
	}
	return outcome;
}

enum pg_outcome role_session(struct pg_session **ret, const struct record *record,
			     long long deadline_ms, struct error *err)
{
	enum pg_outcome outcome = doors_try(ret, record, false, deadline_ms, err);
	struct error ignored;

	if (outcome == PG_FULL &&
	    doors_try(ret, record, true, deadline_ms, &ignored) == PG_OK)
		return PG_OK;
	return outcome;
}

enum pg_outcome role_session_for_change(struct pg_session **ret,
					const struct record *record, struct room *room,
					long long deadline_ms, struct error *err)
{
	struct room own = { 0 };
	enum pg_outcome outcome;

	do
		outcome = role_session(ret, record, deadline_ms, err);
	while (outcome == PG_FULL && room_wait(room ? room : &own, record, deadline_ms));
	return outcome;
}

enum pg_outcome role_answers(const struct record *record, long long deadline_ms,
			     struct error *err)
{
	struct pg_session *session;
	enum pg_outcome outcome = role_session(&session, record, deadline_ms, err);
	char name[NAME_SIZE];

	if (outcome != PG_OK)
		return outcome;
	outcome = pg_run(session, "SHOW cluster_name", name, sizeof(name), err);
	pg_close(session);
	if (outcome == PG_OK && strcmp(name, record->storage_dir) != 0) {
		fail(err, ERR_SERVER, "another server answers on the socket");
		return PG_FAILED;
	}
	return outcome;
}

void role_lock_tell(const struct record *record, long long deadline_ms, struct error *err)
{
	struct pg_session *session;
	struct error ignored;

	if (role_session(&session, record, deadline_ms, &ignored) != PG_OK)
		return;
	pg_tells_lock(session, err);
	pg_close(session);
}
