/* Health is process, engine, storage and user ids; each says whether it is ok. */
#include <unistd.h>

#include "base/buf.h"
#include "base/version.h"
#include "daemon/api.h"
#include "daemon/api_parts.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "instance/instance.h"
#include "model/config.h"
#include "store/space_guard.h"
#include "store/user_ids.h"

/* The biggest instances that the caller may know of. */
static json_t *biggest_to_json(const struct space_guard *disk,
			       const struct caller *caller)
{
	json_t *list = json_array();

	for (int i = 0; i < disk->count; i++) {
		const struct usage *usage = &disk->biggest[i].usage;

		if (caller_sees(caller, disk->biggest[i].storage_dir))
			json_array_append_new(
				list, json_pack("{s:s s:I s:i s:b}", "storage_dir",
						disk->biggest[i].storage_dir, "bytes",
						(json_int_t)usage->bytes, "files",
						usage->files, "more", usage->is_more));
	}
	return list;
}

static json_t *storage_to_json(const struct caller *caller, bool *ret_ok)
{
	struct space_guard disk = { 0 };
	struct error err;
	bool seen = space_guard_look(&disk, &err);
	json_t *json = json_pack("{s:b s:I s:I s:i}", "ok", seen && !disk.is_low,
				 "free_bytes", (json_int_t)disk.space.free_bytes,
				 "total_bytes", (json_int_t)disk.space.total_bytes,
				 "free_percent", disk.space.free_percent);

	*ret_ok = seen && !disk.is_low;
	if (*ret_ok)
		return json;
	json_object_set_new(json, "reason",
			    caller_text(seen ? "too little of the disk is free: nothing "
					       "new is made"
					     : err.message));
	json_object_set_new(json, "biggest", biggest_to_json(&disk, caller));
	return json;
}

/* The reason is why the engine is away, has no API version in common with pgberth, or
 * does not tell its own. */
static json_t *engine_to_json(bool ok)
{
	struct error why;
	const char *reason = engine_why_no_version();
	json_t *json = json_pack("{s:b s:o s:o}", "ok", ok, "api",
				 text_or_null(ok ? engine_api_version() : ""), "version",
				 text_or_null(ok ? engine_version() : ""));
	if (!ok) {
		engine_why_away(&why);
		reason = why.message;
	}
	if (*reason)
		json_object_set_new(json, "reason", caller_text(reason));
	return json;
}

/* Servers whose user id is somebody else's as well. */
struct exposure {
	const struct user_id_claims *claims;
	int count;
};

static bool exposure_add(const struct view *view, void *user)
{
	struct exposure *exposure = user;
	int uid = view->record.uid;

	exposure->count += view->state == RUNNING && !view->is_foreign &&
			   user_id_claims_find(exposure->claims, uid, uid);
	return true;
}

/* Lines are named without their owners, since nobody needs a token for this answer. */
static json_t *user_ids_to_json(bool *ret_ok)
{
	AUTO_CLAIMS claims = user_id_claims_read(false);
	const struct user_id_claim *claim =
		user_id_claims_find_range(&claims, config()->uid_min, config()->uid_max);
	const char *lost = user_ids_reservation_lost(&claims);
	struct exposure exposure = { &claims, 0 };
	AUTO_BUF reason = { 0 };
	json_t *json;

	index_walk("", exposure_add, &exposure);
	*ret_ok = !claim;
	if (claim)
		buf_printf(
			&reason,
			"%s line %d gives user ids of uid_min to uid_max to a user, so "
			"pgberthd will not start again",
			claim->file, claim->line);
	if (exposure.count)
		buf_printf(&reason,
			   "%srunning servers with a user id that a user or group of the "
			   "host was given, too: %d; restart them",
			   reason.length ? "; " : "", exposure.count);
	if (lost)
		buf_printf(
			&reason,
			"%s%s no longer reserves uid_min to uid_max, so that users may "
			"be given them: run pgberthd -r",
			reason.length ? "; " : "", lost);
	json = json_pack("{s:b s:i}", "ok", *ret_ok, "exposed", exposure.count);
	if (reason.length > 0)
		json_object_set_new(json, "reason", caller_text(buf_text(&reason)));
	return json;
}

bool health_get(struct call *call, struct error *err)
{
	bool engine_ok = engine_is_up();
	bool process_ok = instance_is_loaded();
	bool storage_ok, user_ids_ok;
	json_t *user_ids = user_ids_to_json(&user_ids_ok);
	json_t *storage = storage_to_json(&call->caller, &storage_ok);
	bool ok = engine_ok && process_ok && storage_ok && user_ids_ok;
	json_t *json = json_pack(
		"{s:s s:s s:o s:o s:o s:o}", "status", ok ? "OK" : "ERROR", "version",
		PGBERTH_VERSION, "process",
		json_pack("{s:b s:i}", "ok", process_ok, "pid", getpid()), "engine",
		engine_to_json(engine_ok), "storage", storage, "user_ids", user_ids);

	if (!answer(call, json, err))
		return false;
	if (ok)
		return true;
	call->res->status = 503;
	call->res->retry_after = engine_ok && process_ok ? 0 : 5;
	return true;
}
