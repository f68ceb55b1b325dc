/* Trash entries are named <storage_dir>.<time>.<random>. */
#include "store/trash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "base/kill_point.h"
#include "store/record_file.h"
#include "store/staging.h"
#include "store/tree.h"
#include "store/uid.h"

#define TIME_FORMAT "%Y%m%dT%H%M%SZ"

bool store_trash_id_is_valid(const char *id)
{
	return name_is_valid_to(id, TRASH_ID_SIZE - 1);
}

void store_trash_name(const char *id, char ret_name[NAME_SIZE])
{
	const char *random = strrchr(id, '.');
	const char *stamp = random ? memrchr(id, '.', (size_t)(random - id)) : NULL;
	int length = stamp ? (int)(stamp - id) : 0;

	snprintf(ret_name, NAME_SIZE, "%.*s", length < NAME_SIZE ? length : 0, id);
}

bool store_trash(const struct record *record, struct error *err)
{
	char base[STORE_TEMPORARY_SIZE - 17], entry[STORE_TEMPORARY_SIZE];
	const char *name = record->storage_dir;
	time_t now = time(NULL);
	struct tm utc;
	size_t used;

	used = (size_t)snprintf(base, sizeof(base), "%.63s.", name);
	gmtime_r(&now, &utc);
	strftime(base + used, sizeof(base) - used, TIME_FORMAT, &utc);
	store_temporary_name(entry, base);
	if (renameat(store_tree.instances, name, store_tree.trash, entry) != 0)
		return fail_errno(err, "cannot move %s to the trash", name);
	kill_point("trash.moved");
	if (fsync(store_tree.trash) == 0 && fsync(store_tree.instances) == 0) {
		store_hold(store_tree.trash, entry);
		store_uid_release_record(record);
		return true;
	}
	fail_errno(err, "cannot sync the trash");
	renameat(store_tree.trash, entry, store_tree.instances, name);
	return false;
}

/* Time in "<name>.20261123T140231Z.<random>"; 0: the id has another form. */
static long long time_from_id(const char *id)
{
	const char *random = strrchr(id, '.');
	struct tm utc = { 0 };
	const char *end;

	if (!random || random - id < 18 || random[-17] != '.')
		return 0;
	end = strptime(random - 16, TIME_FORMAT, &utc);
	return end == random ? timegm(&utc) : 0;
}

struct listing {
	struct trash_entry *list;
	size_t count;
	bool ok;
};

void store_trash_record_name(const char *id, char ret_name[NAME_SIZE])
{
	AUTO_RECORD record = { 0 };
	struct error ignored;
	bool ok = store_record_read(store_tree.trash, id, &record, &ignored);

	snprintf(ret_name, NAME_SIZE, "%s", ok ? record.storage_dir : "");
}

static void entry_add(const char *id, void *user)
{
	struct listing *listing = user;
	struct trash_entry *grown, *entry;
	AUTO_RECORD record = { 0 };
	struct error ignored;

	if (!store_trash_id_is_valid(id))
		return;
	grown = realloc(listing->list, (listing->count + 1) * sizeof(*grown));
	if (!grown) {
		listing->ok = false;
		return;
	}
	listing->list = grown;
	entry = &grown[listing->count++];
	*entry = (struct trash_entry){ .trashed_at = time_from_id(id) };
	snprintf(entry->id, sizeof(entry->id), "%s", id);
	if (!store_record_read(store_tree.trash, id, &record, &ignored))
		return;
	memcpy(entry->storage_dir, record.storage_dir, sizeof(entry->storage_dir));
	entry->version = record.version;
}

static int entry_order(const void *one, const void *two)
{
	return strcmp(((const struct trash_entry *)one)->id,
		      ((const struct trash_entry *)two)->id);
}

bool store_trash_list(struct trash_entry **ret, size_t *ret_count, struct error *err)
{
	struct listing listing = { .ok = true };

	if (!store_names_walk(store_tree.trash, entry_add, &listing, err) ||
	    !listing.ok) {
		free(listing.list);
		return listing.ok ? false : fail(err, ERR_INTERNAL, "out of memory");
	}
	if (listing.count > 0)
		qsort(listing.list, listing.count, sizeof(*listing.list), entry_order);
	*ret = listing.list;
	*ret_count = listing.count;
	return true;
}

static bool entry_missing(const char *id, struct error *err)
{
	return fail(err, ERR_NOT_FOUND, "trash entry %s does not exist", id);
}

/* An operator may have put the entry there, with a uid that belongs to another server. */
static bool entry_fits(const char *id, const struct record *record, struct error *err)
{
	if (!store_is_held(store_tree.trash, id))
		store_hold(store_tree.trash, id);
	if (store_uid_is_possible(record->uid) && store_uid_takers(record->uid) == 1 &&
	    record_has_uid(record, (unsigned)store_owner(store_tree.trash, id)))
		return true;
	return fail_at(err, ERR_FOREIGN_DATA, "storage_dir",
		       "trash entry %s has uid %d, which is not its own here; move its "
		       "directory from the trash to the instances as %s, and adopt that",
		       id, record->uid, record->storage_dir);
}

bool store_trash_find(const char *id, struct record *ret, struct error *err)
{
	AUTO_RECORD record = { 0 };
	struct stat status;

	if (fstatat(store_tree.trash, id, &status, AT_SYMLINK_NOFOLLOW) != 0)
		return entry_missing(id, err);
	if (!store_record_read(store_tree.trash, id, &record, err) ||
	    !entry_fits(id, &record, err))
		return false;
	*ret = record;
	record.labels = NULL;
	return true;
}

bool store_trash_restore(const char *id, const struct record *record, struct error *err)
{
	const char *name = record->storage_dir;

	if (renameat2(store_tree.trash, id, store_tree.instances, name,
		      RENAME_NOREPLACE) == 0) {
		kill_point("restore.moved");
		if (fsync(store_tree.instances) == 0 && fsync(store_tree.trash) == 0) {
			store_uid_mark_record(record);
			store_hold_end(store_tree.trash, id);
			return true;
		}
		fail_errno(err, "cannot sync instances");
		renameat(store_tree.instances, name, store_tree.trash, id);
		return false;
	}
	if (errno == ENOENT)
		return entry_missing(id, err);
	if (errno == EEXIST)
		return fail_at(err, ERR_FOREIGN_DATA, "storage_dir",
			       "directory %s already exists", name);
	return fail_errno(err, "cannot restore %s", id);
}

bool store_trash_remove(const char *id, struct error *err)
{
	char temporary[STORE_TEMPORARY_SIZE];

	store_temporary_name(temporary, "trash");
	if (renameat(store_tree.trash, id, store_tree.staging, temporary) != 0)
		return errno == ENOENT ? entry_missing(id, err)
				       : fail_errno(err, "cannot remove %s", id);
	kill_point("empty.moved");
	if (fsync(store_tree.trash) != 0)
		return fail_errno(err, "cannot sync the trash");
	if (!files_remove_tree(store_tree.staging, temporary, err))
		return false;
	store_hold_end(store_tree.trash, id);
	return true;
}
