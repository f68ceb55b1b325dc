/* A foreign directory is given away in steps, and any of them may be the last one. */
#include "store/foreign.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/scope.h"
#include "store/check.h"
#include "store/disk.h"
#include "store/record_file.h"
#include "store/tree.h"
#include "store/uid.h"

bool store_foreign_hold(const char *name)
{
	return store_hold(store_tree.instances, name);
}

void store_foreign_drop(const char *name)
{
	store_hold_end(store_tree.instances, name);
}

bool store_foreign_uid(const char *name, int first, int *ret_uid, struct error *err)
{
	return store_hold_uid(store_tree.instances, name, first, ret_uid, err);
}

bool store_foreign_read(const char *name, struct record *ret, struct error *err)
{
	if (store_record_read(store_tree.instances, name, ret, err))
		return true;
	if (err->code == ERR_INTERNAL)
		err->code = ERR_FOREIGN_DATA; /* it cannot even be opened */
	return false;
}

static bool part_missing(const char *part, struct error *err)
{
	return fail(err, ERR_FOREIGN_DATA, "its %s is missing or a link", part);
}

/* With a quota the image must be a plain file; without, pg/ must not be a mount. */
static bool disk_check(int dir, int pg, const struct record *record, struct error *err)
{
	struct stat above, status;

	if (record->disk_mb)
		return (fstatat(dir, "pg.img", &status, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISREG(status.st_mode) && status.st_nlink == 1) ||
		       fail(err, ERR_FOREIGN_DATA,
			    "its pg.img is missing, a link or not a file");
	return (fstat(dir, &above) == 0 && fstat(pg, &status) == 0 &&
		above.st_dev == status.st_dev) ||
	       fail(err, ERR_FOREIGN_DATA, "its pg is a mount");
}

static bool layout_check(const struct record *record, struct error *err)
{
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, err);
	AUTO_CLOSE int pg = dir >= 0 ? files_open_dir(dir, "pg") : -1;
	AUTO_CLOSE int conf =
		dir >= 0 ? files_open_here(dir, "conf", O_RDONLY | O_DIRECTORY) : -1;

	if (dir < 0)
		return false;
	if (pg < 0 || conf < 0)
		return part_missing(pg < 0 ? "pg" : "conf", err);
	return disk_check(dir, pg, record, err) && files_can_own(conf, 0, err);
}

static bool data_look(const struct record *record, const struct template *template,
		      int *ret_owner, struct error *err)
{
	struct stat status;
	AUTO_CLOSE int pg = store_sub_dir(record, "pg", &status, err);

	if (pg < 0 || !files_can_own(pg, FILES_DEPTH_MAX, err) ||
	    !store_check(record, template, STORE_FOREIGN, err))
		return false;
	if (fstatat(pg, "data", &status, AT_SYMLINK_NOFOLLOW) != 0)
		return part_missing("pg/data", err);
	*ret_owner = (int)status.st_uid;
	return true;
}

bool store_foreign_check(const struct record *record, const struct template *template,
			 int *ret_owner, struct error *err)
{
	struct error ignored;

	if (layout_check(record, err) && store_disk_up(record, true, err)) {
		if (data_look(record, template, ret_owner, err))
			return true;
		store_disk_down(record, &ignored);
	}
	if (err->code == ERR_INTERNAL)
		err->code = ERR_FOREIGN_DATA; /* it cannot even be opened */
	return false;
}

/* Copies may lack run/ and log/. */
static bool beside_make(int pg, const char *name, int uid, struct error *err)
{
	struct stat status;

	if (fstatat(pg, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
		return (S_ISDIR(status.st_mode) && fchmodat(pg, name, 0700, 0) == 0) ||
		       part_missing(name, err);
	return files_make_dir(pg, name, uid, uid, 0700, err);
}

static bool tree_give(const struct record *record, struct error *err)
{
	const struct files_owner tenant = { record->uid, record->uid, 0 };
	struct stat status;
	AUTO_CLOSE int pg = store_sub_dir(record, "pg", &status, err);

	if (pg < 0 || !beside_make(pg, "run", record->uid, err) ||
	    !beside_make(pg, "log", record->uid, err) ||
	    !files_own(pg, &tenant, FILES_DEPTH_MAX, err))
		return false;
	return syncfs(pg) == 0 || fail_errno(err, "cannot sync the data");
}

/* Root gets its part back: the directory itself, conf/ and the image. */
static bool rest_give(const struct record *record, struct error *err)
{
	const struct files_owner ours = { 0, record->uid, 0640 };
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, err);
	AUTO_CLOSE int conf = dir >= 0 ? files_open_dir(dir, "conf") : -1;

	if (dir < 0 || (conf >= 0 && !files_own(conf, &ours, 0, err)))
		return false;
	return (conf >= 0 && fchown(dir, 0, 0) == 0 && fchmod(dir, 0700) == 0 &&
		fchown(conf, 0, (gid_t)record->uid) == 0 && fchmod(conf, 0750) == 0 &&
		(!record->disk_mb ||
		 (fchownat(dir, "pg.img", 0, 0, AT_SYMLINK_NOFOLLOW) == 0 &&
		  fchmodat(dir, "pg.img", 0600, 0) == 0)) &&
		syncfs(dir) == 0) ||
	       fail_errno(err, "cannot change the owner of %s", record->storage_dir);
}

/*
 * pg/ is marked before any file is given away: with the new uid, so that it counts as
 * taken after a crash, or with 0 if the old uid stays. With a quota there are two pg/,
 * below the mount and in it, and only one can be reached at a time: hence each mark
 * twice.
 */
bool store_foreign_adopt(const struct record *record, int was_uid, struct error *err)
{
	bool is_new = record->uid !=
		      was_uid; /* the directory may be a copy of another one here */
	int mark = is_new ? record->uid : 0;

	return store_disk_down(record, err) &&
	       (!is_new || store_image_renew(record, err)) &&
	       store_pg_give(record, mark, err) && store_disk_up(record, true, err) &&
	       store_pg_give(record, mark, err) && rest_give(record, err) &&
	       tree_give(record, err) && store_pg_give(record, record->uid, err) &&
	       store_disk_down(record, err) && store_pg_give(record, record->uid, err) &&
	       store_save(record, err);
}
