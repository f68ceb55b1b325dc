/* Handlers of the trash, and of purging many instances at a time. */
#include "base/scope.h"
#include "daemon/api.h"
#include "daemon/api_parts.h"
#include "daemon/call_audit.h"
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

static void purge_begin(const char *name, void *user)
{
	call_audit_begin(user, name);
}

static void purge_tell(const char *name, const struct error *err, void *user)
{
	call_audit_one(user, name, err);
}

bool purge_stopped(struct call *call, struct error *err)
{
	bool is_dry = call->spec.dry_run;
	AUTO_NAMES names = { 0 };
	json_t *list;

	if (!instance_purge_stopped(call->spec.stopped_days, call->caller.prefix, is_dry,
				    &names, purge_begin, purge_tell, call, err))
		return false;
	list = json_array();
	for (size_t i = 0; i < names.count; i++)
		json_array_append_new(list, json_string(names.list[i]));
	return answer(call,
		      json_pack("{s:s s:b s:o}", "status", "OK", "dry_run", is_dry,
				"containers", list),
		      err);
}
