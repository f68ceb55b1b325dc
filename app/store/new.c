/* The making of instances' directories: from the template, by way of staging. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/kill_point.h"
#include "base/log.h"
#include "base/scope.h"
#include "store/pg_control.h"
#include "store/store.h"
#include "store/tree.h"

#define MANIFEST_MAX (64 * 1024)

#define SPARES_MAX 256

static struct {
	pthread_mutex_t lock;
	struct spare list[SPARES_MAX]; /* these two held under lock */
	int count;
} spares = { .lock = PTHREAD_MUTEX_INITIALIZER };

bool store_template(int version, struct template *ret, struct error *err)
{
	const char *image_id, *directory, *libc, *icu;
	json_auto_t *json = NULL;
	AUTO_BUF text = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "templates/%d/manifest.json", version);
	if (!files_read(store_tree.root, path, MANIFEST_MAX, &text, err))
		return fail(err, ERR_IMAGE_MISSING,
			    "no image of PostgreSQL %d is installed; run make up",
			    version);
	json = json_loadb(buf_text(&text), text.length, 0, NULL);
	if (json_unpack(json, "{s:s s:s s:s s:s}", "image_id", &image_id, "template",
			&directory, "libc", &libc, "icu", &icu) != 0 ||
	    !name_is_valid(directory))
		return fail(err, ERR_IMAGE_MISSING, "%s/%s cannot be understood",
			    store_tree.config->root, path);
	snprintf(ret->image_id, sizeof(ret->image_id), "%s", image_id);
	snprintf(ret->directory, sizeof(ret->directory), "%s", directory);
	snprintf(ret->libc, sizeof(ret->libc), "%s", libc);
	snprintf(ret->icu, sizeof(ret->icu), "%s", icu);
	return true;
}

/* pg/ itself is root's, so that the tenant cannot put anything in place of its parts. */
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
		"a directory %s is there already that this pgberth does not know; it "
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

int store_template_open(int version, const struct template *template, struct error *err)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "templates/%d/%s", version, template->directory);
	fd = files_open_dir(store_tree.root, path);
	if (fd < 0)
		fail_errno(err, "cannot open the template %s/%s", store_tree.config->root,
			   path);
	return fd;
}

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

/* A whole pg/ in staging, under a name of its own. */
static bool pg_make(char name[STORE_TEMPORARY_SIZE], int version, int uid,
		    const struct template *template, struct error *err)
{
	AUTO_CLOSE int pg = -1;

	store_temporary_name(name, "pg");
	if (!files_make_dir(store_tree.staging, name, 0, uid, 0750, err))
		return false;
	pg = files_open_dir(store_tree.staging, name);
	if (pg < 0) {
		fail_errno(err, "cannot open %s", name);
	} else if (pg_lay(pg, version, uid, template, err) && files_sync_tree(pg, err)) {
		kill_point("fill.laid");
		return true;
	}
	store_staging_clear(name);
	return false;
}

/* On a disk of its own, all of it is synced at once. */
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

	if (dir < 0 || !pg_make(temporary, record->version, record->uid, template, err))
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

bool store_spare_make(int version, struct error *err)
{
	struct spare spare = { .version = version };
	struct template template;

	if (!store_template(version, &template, err) || !store_uid_take(&spare.uid, err))
		return false;
	if (!pg_make(spare.name, version, spare.uid, &template, err)) {
		store_uid_release(spare.uid);
		return false;
	}
	snprintf(spare.template, sizeof(spare.template), "%s", template.directory);
	pthread_mutex_lock(&spares.lock);
	if (spares.count < SPARES_MAX)
		spares.list[spares.count++] = spare;
	pthread_mutex_unlock(&spares.lock);
	return true;
}

int store_spare_count(int version)
{
	int count = 0;

	pthread_mutex_lock(&spares.lock);
	for (int i = 0; i < spares.count; i++)
		count += spares.list[i].version == version;
	pthread_mutex_unlock(&spares.lock);
	return count;
}

/* The first spare of a major; false when there is none. */
static bool spare_pop(int version, struct spare *ret)
{
	bool found = false;

	pthread_mutex_lock(&spares.lock);
	for (int i = 0; i < spares.count && !found; i++) {
		if (spares.list[i].version != version)
			continue;
		*ret = spares.list[i];
		spares.list[i] = spares.list[--spares.count];
		found = true;
	}
	pthread_mutex_unlock(&spares.lock);
	return found;
}

bool store_spare_take(int version, const struct template *template, struct spare *ret)
{
	while (spare_pop(version, ret)) {
		if (strcmp(ret->template, template->directory) == 0)
			return true;
		store_staging_clear(
			ret->name); /* of an image that is no longer installed */
		store_uid_release(ret->uid);
	}
	return false;
}
