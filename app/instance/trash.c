/* Deletes expired instances, and restores or removes trash entries. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/audit_begun.h"
#include "base/log.h"
#include "base/scope.h"
#include "instance/instance.h"
#include "instance/owner.h"
#include "instance/parts.h"
#include "model/caller.h"
#include "model/config.h"
#include "store/record_file.h"
#include "store/trash.h"

#define DAY_S 86400LL

long long instance_trash_until(const struct trash_entry *entry)
{
	return entry->trashed_at + config()->trash_days * DAY_S;
}

bool names_add(struct names *names, const char *name)
{
	void *list = realloc(names->list, (names->count + 1) * NAME_SIZE);

	if (!list)
		return false;
	names->list = list;
	snprintf(names->list[names->count++], NAME_SIZE, "%s", name);
	return true;
}

void names_done(struct names *names)
{
	free(names->list);
	*names = (struct names){ 0 };
}

bool instance_is_expired(const struct view *view, long long now)
{
	return view->record.expires_at && view->record.expires_at <= now;
}

static const char *expiry_of(const struct view *view)
{
	return view->record.expire_purge ? "expire_purge" : "expire";
}

/* The time is checked again under the lock, since a PATCH may have moved it. */
bool instance_expire(const char *name)
{
	AUTO_VIEW before = { 0 };
	AUTO_VIEW gone = { 0 };
	AUTO_BEGUN int begun = 0;
	struct error err;

	if (!index_get(name, &before))
		return true;
	begun = audit_begin_own(expiry_of(&before), name, "");
	if (instance_delete_if(name, instance_is_expired, time(NULL), false, &gone,
			       &err)) {
		audit_own(expiry_of(&gone), name, "");
		return true;
	}
	if (err.code == ERR_NOT_FOUND)
		return true;
	log_warn("expired instance not deleted name=%s error=%s", name,
		 LOG_TEXT(err.message));
	return false;
}

bool instance_trash_list(struct trash_entry **ret, size_t *ret_count, struct error *err)
{
	return store_trash_list(ret, ret_count, err);
}

/* The caller may know of the name in the id; the record's may be another. */
static bool entry_is_shown(const char *id, struct error *err)
{
	char name[NAME_SIZE];

	store_trash_record_name(id, name);
	return !*name || caller_is_shown(name) ||
	       fail(err, ERR_NOT_FOUND, "trash entry %s does not exist", id);
}

static bool restore_checked(const char *id, const struct record *record, struct view *ret,
			    struct error *err)
{
	AUTO_VIEW view = { .state = STORED, .record = record_copy(record) };

	if (index_get(record->storage_dir, ret)) {
		view_done(ret);
		return fail_at(err, ERR_ALREADY_EXISTS, "storage_dir",
			       "instance %s exists; purge it first", record->storage_dir);
	}
	/* A restored instance does not expire. Of one that only names its owner it is
	 * unknown whether that was a token of this host. */
	view.record.expires_at = 0;
	if (!*view.record.owner_id)
		owner_clear(&view.record);
	return store_trash_restore(id, record, err) &&
	       instance_show(&view, STORED, err) && store_save(&view.record, err) &&
	       instance_give(ret, &view);
}

bool instance_trash_restore(const char *id, struct view *ret, struct error *err)
{
	AUTO_RECORD record = { 0 };
	AUTO_LOCK *lock = NULL;

	if (!entry_is_shown(id, err) || !store_trash_find(id, &record, err))
		return false;
	lock = lock_get(record.storage_dir, INSTANCE_LOCK_WAIT_MS, err);
	return lock && restore_checked(id, &record, ret, err);
}

bool instance_trash_remove(const char *id, struct error *err)
{
	return entry_is_shown(id, err) && store_trash_remove(id, err);
}

/* An entry that is gone already was removed by a call. */
static void sweep_one(const char *id)
{
	char name[NAME_SIZE];
	const struct audit line = {
		.who = "pgberthd", .action = "trash_sweep", .name = name, .trash = id
	};
	AUTO_BEGUN int begun = 0;
	struct error err;

	store_trash_name(id, name);
	begun = audit_begin(&line);
	if (instance_trash_remove(id, &err))
		audit(&line);
	else if (err.code != ERR_NOT_FOUND)
		log_warn("trash entry not removed trash=%s error=%s", id,
			 LOG_TEXT(err.message));
}

void instance_trash_sweep(void)
{
	AUTO_FREE struct trash_entry *list = NULL;
	size_t count = 0;
	struct error err;

	if (!store_trash_list(&list, &count, &err)) {
		log_warn("trash not listed error=%s", LOG_TEXT(err.message));
		return;
	}
	for (size_t i = 0; i < count; i++)
		if (list[i].trashed_at && instance_trash_until(&list[i]) <= time(NULL))
			sweep_one(list[i].id);
}
