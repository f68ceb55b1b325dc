/*
 * A data directory is made in staging and renamed to its place, or made on its own disk.
 */
#include "store/fill.h"

#include <stdio.h>
#include <unistd.h>

#include "base/files.h"
#include "base/kill_point.h"
#include "base/scope.h"
#include "store/disk.h"
#include "store/pg_control.h"
#include "store/tree.h"

static bool pg_lay(int pg, int version, int uid, const struct template *template,
		   struct error *err)
{
	AUTO_CLOSE int source = store_template_open(version, template, err);
	AUTO_CLOSE int data = -1;

	if (source < 0)
		return false;
	if (!files_make_dir(pg, "data", uid, uid, 0700, err) ||
	    !files_make_dir(pg, "run", uid, uid, 0700, err) ||
	    !files_make_dir(pg, "log", uid, uid, 0700, err))
		return false;
	data = files_open_dir(pg, "data");
	if (data < 0)
		return fail_errno(err, "cannot open the new data directory");
	return files_copy_tree(source, data, uid, err) && pg_control_renew(data, err);
}

bool store_pg_make(char ret_name[STORE_TEMPORARY_SIZE], int version, int uid,
		   const struct template *template, struct error *err)
{
	AUTO_CLOSE int pg = -1;

	store_temporary_name(ret_name, "pg");
	if (!files_make_dir(store_tree.staging, ret_name, 0, uid, 0750, err))
		return false;
	pg = files_open_dir(store_tree.staging, ret_name);
	if (pg < 0) {
		fail_errno(err, "cannot open %s", ret_name);
	} else if (pg_lay(pg, version, uid, template, err) && files_sync_tree(pg, err)) {
		kill_point("fill.laid");
		return true;
	}
	store_staging_clear(ret_name);
	return false;
}

/* A disk of its own is synced as a whole, after all files are laid. */
static bool image_fill(const struct record *record, const struct template *template,
		       struct error *err)
{
	AUTO_CLOSE int pg = store_image_make(record, err);

	return pg >= 0 && pg_lay(pg, record->version, record->uid, template, err) &&
	       (syncfs(pg) == 0 || fail_errno(err, "cannot sync the new disk"));
}

static bool tree_fill(const struct record *record, const struct template *template,
		      struct error *err)
{
	char temporary[STORE_TEMPORARY_SIZE];
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, err);

	if (dir < 0 ||
	    !store_pg_make(temporary, record->version, record->uid, template, err))
		return false;
	if (renameat(store_tree.staging, temporary, dir, "pg") == 0 && fsync(dir) == 0)
		return true;
	fail_errno(err, "cannot move the new data directory to its place");
	store_staging_clear(temporary);
	return false;
}

bool store_fill(const struct record *record, const struct template *template,
		struct error *err)
{
	return record->disk_mb ? image_fill(record, template, err)
			       : tree_fill(record, template, err);
}
