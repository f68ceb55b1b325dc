/* Handlers of the trash, and of purging many instances at a time. */
#include "base/scope.h"
#include "daemon/api.h"
#include "daemon/api_parts.h"
#include "daemon/call_audit.h"
#include "daemon/look_queue.h"
#include "instance/instance.h"
#include "store/trash.h"

static json_t *entry_to_json(const struct trash_entry *entry)
{
	return json_pack(
		"{s:s s:o s:o s:o s:o}", "id", entry->id, "storage_dir",
		text_or_null(entry->storage_dir), "version",
		entry->version ? json_integer(entry->version) : json_null(), "trashed_at",
		time_or_null(entry->trashed_at), "expires_at",
		time_or_null(entry->trashed_at ? instance_trash_until(entry) : 0));
}

/* Both names count: that in the id, and that of the record. */
static bool entry_is_shown(const struct caller *caller, const struct trash_entry *entry)
{
	char name[NAME_SIZE];

	store_trash_name(entry->id, name);
	return caller_sees(caller, name) && caller_sees(caller, entry->storage_dir);
}

bool trash_list(struct call *call, struct error *err)
{
	AUTO_FREE struct trash_entry *list = NULL;
	json_t *entries = json_array();
	size_t count = 0;
	bool ok;

	ok = instance_trash_list(&list, &count, err);
	if (!ok)
		json_decref(entries);
	for (size_t i = 0; ok && i < count; i++)
		if (entry_is_shown(&call->caller, &list[i]) &&
		    json_array_append_new(entries, entry_to_json(&list[i])) != 0) {
			json_decref(entries);
			return fail(err, ERR_INTERNAL, "out of memory");
		}
	return ok &&
	       answer(call, json_pack("{s:s s:o}", "status", "OK", "trash", entries),
		      err);
}

bool trash_remove(struct call *call, struct error *err)
{
	return instance_trash_remove(call->trash_id, err) &&
	       answer(call,
		      json_pack("{s:s s:s}", "status", "OK", "removed", call->trash_id),
		      err);
}

bool trash_restore(struct call *call, struct error *err)
{
	AUTO_VIEW view = { 0 };

	return instance_trash_restore(call->trash_id, &view, err) &&
	       answer_view(call, &view, err);
}

/* The answer to a purge of many, as it grows. */
struct purge {
	struct call *call;
	json_t *purged, *failed;
	struct error first; /* of those that failed */
};

static void failed_add(struct purge *purge, const char *name, const struct error *err)
{
	if (json_array_size(purge->failed) == 0) {
		purge->first = *err;
		fail_because(&purge->first, "%s", name);
	}
	json_array_append_new(purge->failed, json_pack("{s:s, s:o}", "storage_dir", name,
						       "error", error_to_json(err)));
	if (err->code == ERR_ENGINE)
		look_queue_poke(name, NULL); /* the change may be half undone */
}

static void purge_begin(const char *name, void *user)
{
	struct purge *purge = user;

	call_audit_begin(purge->call, name);
}

static void purge_add(const char *name, const struct error *err, void *user)
{
	struct purge *purge = user;

	if (!purge->call->spec.dry_run)
		call_audit_one(purge->call, name, err);
	if (err)
		failed_add(purge, name, err);
	else
		json_array_append_new(purge->purged, json_string(name));
}

/* A refusal, too, says which could not be purged. */
static bool purge_answer(struct purge *purge, struct error *err)
{
	struct call *call = purge->call;
	bool is_refused =
		json_array_size(purge->purged) == 0 && json_array_size(purge->failed) > 0;

	if (is_refused)
		response_fail(call->res, call->req, &purge->first);
	else if (!answer(call,
			 json_pack("{s:s, s:b, s:O}", "status", "OK", "dry_run",
				   call->spec.dry_run, "containers", purge->purged),
			 err))
		return false;
	if (json_array_size(purge->failed) > 0)
		json_object_set(call->res->json, "failed", purge->failed);
	return true;
}

bool purge_stopped(struct call *call, struct error *err)
{
	json_auto_t *purged = json_array(), *failed = json_array();
	struct purge purge = { call, purged, failed, { 0 } };

	if (!purged || !failed)
		return fail(err, ERR_INTERNAL, "out of memory");
	return instance_purge_stopped(call->spec.stopped_days, call->caller.prefix,
				      call->spec.dry_run, purge_begin, purge_add, &purge,
				      err) &&
	       purge_answer(&purge, err);
}
