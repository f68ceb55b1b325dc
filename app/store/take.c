/* A directory is laid out in staging and renamed to its place, which must be free. */
#include "store/take.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "base/files.h"
#include "base/kill_point.h"
#include "base/scope.h"
#include "store/record_file.h"
#include "store/staging.h"
#include "store/tree.h"

/* pg/ itself belongs to root, so that the tenant cannot replace its parts. */
static bool instance_lay(int dir, const struct record *record,
			 const struct conf_file *files, const struct spare *spare,
			 struct error *err)
{
	if (!files_make_dir(dir, "conf", 0, record->uid, 0750, err))
		return false;
	if (!spare && !files_make_dir(dir, "pg", 0, record->uid, 0750, err))
		return false;
	if (spare && renameat(store_tree.staging, spare->name, dir, "pg") != 0)
		return fail_errno(err, "cannot move the spare data directory");
	for (; files->name; files++)
		if (!store_conf_write_at(dir, record, files, err))
			return false;
	return store_record_write(dir, record, err);
}

static bool instance_place(const char *temporary, const char *name, struct error *err)
{
	if (renameat2(store_tree.staging, temporary, store_tree.instances, name,
		      RENAME_NOREPLACE) == 0) {
		kill_point("take.placed");
		if (fsync(store_tree.instances) == 0)
			return true;
		fail_errno(err, "cannot sync instances");
		renameat(store_tree.instances, name, store_tree.staging, temporary);
		return false;
	}
	if (errno != EEXIST)
		return fail_errno(err, "cannot make the directory of %s", name);
	return fail_at(
		err, ERR_FOREIGN_DATA, "storage_dir",
		"directory %s already exists, but this pgberth does not know it; it "
		"is left as it is",
		name);
}

bool store_take(const struct record *record, const struct conf_file *files,
		const struct spare *spare, struct error *err)
{
	char temporary[STORE_TEMPORARY_SIZE];
	AUTO_CLOSE int dir = -1;
	bool ok;

	store_temporary_name(temporary, record->storage_dir);
	ok = files_make_dir(store_tree.staging, temporary, 0, 0, 0700, err);
	if (ok) {
		dir = files_open_dir(store_tree.staging, temporary);
		ok = (dir >= 0 || fail_errno(err, "cannot open %s", temporary)) &&
		     instance_lay(dir, record, files, spare, err);
		kill_point("take.laid");
		ok = ok && instance_place(temporary, record->storage_dir, err);
	}
	if (!ok)
		store_staging_clear(temporary);
	if (!ok && spare)
		store_staging_clear(spare->name);
	return ok;
}

bool store_discard(const char *name, struct error *err)
{
	char temporary[STORE_TEMPORARY_SIZE];

	store_temporary_name(temporary, name);
	if (renameat(store_tree.instances, name, store_tree.staging, temporary) != 0)
		return errno == ENOENT || fail_errno(err, "cannot discard %s", name);
	fsync(store_tree.instances);
	store_staging_clear(temporary);
	return true;
}
