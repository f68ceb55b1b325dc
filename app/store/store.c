/* The tree under <root>: open, load, save, discard, paths. */
#include "store/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "base/log.h"
#include "base/scope.h"
#include "store/quota_disk.h"
#include "store/tree.h"

#define RECORD_FILE "instance.json"
#define RECORD_MAX (64 * 1024)

struct store_tree store_tree = { NULL, -1, -1, -1, -1 };

/* Opens <root>/name, made if missing. -1 with err. */
static int root_sub(const char *name, struct error *err)
{
	int fd;

	if (mkdirat(store_tree.root, name, 0700) != 0 && errno != EEXIST) {
		fail_errno(err, "cannot make %s/%s", store_tree.config->root, name);
		return -1;
	}
	fd = files_open_dir(store_tree.root, name);
	if (fd < 0)
		fail_errno(err, "cannot open %s/%s", store_tree.config->root, name);
	return fd;
}

static bool root_lock(struct error *err)
{
	int fd = files_open(store_tree.root, "lock", O_RDWR | O_CREAT, 0600);

	if (fd < 0)
		return fail_errno(err, "cannot open %s/lock", store_tree.config->root);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		return fail(err, ERR_BUSY, "another pgberthd has %s",
			    store_tree.config->root);
	}
	return true; /* kept open, and so locked, until the process ends */
}

/* Calls each(name, user) for the entries of a directory that are not hidden. */
bool store_names_walk(int dir, void (*each)(const char *name, void *user), void *user,
		      struct error *err)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!stream) {
		if (fd >= 0)
			close(fd);
		return fail_errno(err, "cannot list a directory of %s",
				  store_tree.config->root);
	}
	while ((entry = readdir(stream)))
		if (entry->d_name[0] != '.')
			each(entry->d_name, user);
	closedir(stream);
	return true;
}

void store_staging_clear(const char *name)
{
	char aside[STORE_TEMPORARY_SIZE];
	struct error err;

	if (files_remove_tree(store_tree.staging, name, &err))
		return;
	log_warn("left behind in staging name=%s error=%s", name, LOG_TEXT(err.message));
	store_temporary_name(aside, STORE_OLD_STAGING);
	renameat(store_tree.staging, name, store_tree.root, aside);
	/* The keeper clears it: store_clear_old_staging(). */
}

/* What an earlier process left there may be large: it is removed later, beside. */
static bool staging_set_aside(struct error *err)
{
	char name[STORE_TEMPORARY_SIZE];

	store_temporary_name(name, STORE_OLD_STAGING);
	if (renameat(store_tree.root, "staging", store_tree.root, name) == 0 ||
	    errno == ENOENT)
		return true;
	return fail_errno(err, "cannot set %s/staging aside", store_tree.config->root);
}

bool store_open(const struct config *cfg, struct error *err)
{
	store_tree.config = cfg;
	quota_disk_init(cfg->engine_socket);
	store_tree.root = open(cfg->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store_tree.root < 0)
		return fail_errno(err, "cannot open root %s", cfg->root);
	if (!root_lock(err))
		return false;
	store_tree.instances = root_sub("instances", err);
	if (!staging_set_aside(err))
		return false;
	store_tree.staging = store_tree.instances < 0 ? -1 : root_sub("staging", err);
	store_tree.trash = store_tree.staging < 0 ? -1 : root_sub("trash", err);
	return store_tree.trash >= 0 && store_uid_init(err);
}

int store_instance_open(const char *name, struct error *err)
{
	int fd = files_open_dir(store_tree.instances, name);

	if (fd < 0)
		fail_errno(err, "cannot open the directory of %s", name);
	return fd;
}

bool store_record_read(int parent, const char *name, struct record *ret,
		       struct error *err)
{
	AUTO_CLOSE int dir = files_open_dir(parent, name);
	json_auto_t *json = NULL;
	AUTO_BUF text = { 0 };

	if (dir < 0)
		return fail(err, ERR_FOREIGN_DATA, "%s is not a directory of pgberth",
			    name);
	if (!files_read(dir, RECORD_FILE, RECORD_MAX, &text, err))
		return false;
	json = json_loadb(buf_text(&text), text.length, JSON_REJECT_DUPLICATES, NULL);
	if (!json)
		return fail(err, ERR_FOREIGN_DATA, "the record is not JSON");
	return record_from_json(ret, json, err);
}

/* A name for staging that no other request uses. */
void store_temporary_name(char name[STORE_TEMPORARY_SIZE], const char *base)
{
	uint64_t number = 0;

	if (getrandom(&number, sizeof(number), 0) < 0)
		number = (uint64_t)time(NULL);
	snprintf(name, STORE_TEMPORARY_SIZE, "%s.%016llx", base,
		 (unsigned long long)number);
}

/* Members that a later pgberthd wrote there stay for it. */
static bool others_keep(int dir, json_t *json)
{
	json_auto_t *there = NULL;
	AUTO_BUF text = { 0 };
	struct error ignored;

	if (!files_read(dir, RECORD_FILE, RECORD_MAX, &text, &ignored))
		return true;
	there = json_loadb(buf_text(&text), text.length, JSON_REJECT_DUPLICATES, NULL);
	return !json_is_object(there) || json_object_update_missing(json, there) == 0;
}

bool store_record_write(int dir, const struct record *record, struct error *err)
{
	json_auto_t *json = record_to_json(record);
	AUTO_BUF text = { 0 };

	if (!json || !others_keep(dir, json))
		return fail(err, ERR_INTERNAL, "out of memory");
	if (!buf_json(&text, json, JSON_INDENT(1)))
		return fail(err, ERR_INTERNAL, "out of memory");
	while (!files_replace(dir, RECORD_FILE, buf_text(&text), text.length, 0, 0, 0600,
			      err))
		if (err->code != ERR_NO_SPACE || !store_reserve_spend())
			return false;
	return true;
}

bool store_conf_write_at(int dir, const struct record *record,
			 const struct conf_file *file, struct error *err)
{
	AUTO_CLOSE int conf = files_open_dir(dir, "conf");

	if (conf < 0)
		return fail_errno(err, "cannot open conf of %s", record->storage_dir);
	return files_replace(conf, file->name, file->content, strlen(file->content), 0,
			     record->uid, 0640, err);
}

bool store_save(const struct record *record, struct error *err)
{
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, err);

	return dir >= 0 && store_record_write(dir, record, err);
}

bool store_conf_write(const struct record *record, const struct conf_file *file,
		      struct error *err)
{
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, err);

	return dir >= 0 && store_conf_write_at(dir, record, file, err);
}

bool store_conf_equals(const struct record *record, const struct conf_file *file)
{
	struct error ignored;
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, &ignored);
	AUTO_CLOSE int conf = dir >= 0 ? files_open_dir(dir, "conf") : -1;
	AUTO_BUF text = { 0 };

	return conf >= 0 && files_read(conf, file->name, RECORD_MAX, &text, &ignored) &&
	       strcmp(buf_text(&text), file->content) == 0;
}

void store_conf_remove(const struct record *record, const char *name)
{
	struct error ignored;
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, &ignored);
	AUTO_CLOSE int conf = dir >= 0 ? files_open_dir(dir, "conf") : -1;

	if (conf >= 0)
		unlinkat(conf, name, 0);
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

char *store_path(const char *name, const char *sub)
{
	char *path;

	if (asprintf(&path, "%s/instances/%s/%s", store_tree.config->root, name, sub) < 0)
		return NULL;
	return path;
}

/* How much of a kind is free, in percent of what tenants can have. */
static int percent_free(uint64_t available, uint64_t total)
{
	return total == 0 ? 100 : (int)(available * 100 / total);
}

bool store_space(struct space *ret, struct error *err)
{
	struct statvfs space;
	int inodes;

	if (fstatvfs(store_tree.root, &space) != 0)
		return fail_errno(err, "cannot look at the file system of %s",
				  store_tree.config->root);
	ret->free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
	ret->total_bytes = (uint64_t)space.f_blocks * space.f_frsize;
	ret->free_percent = percent_free(space.f_bavail, space.f_blocks);
	inodes = percent_free(space.f_favail, space.f_files);
	if (inodes < ret->free_percent)
		ret->free_percent = inodes;
	return true;
}

bool store_exists(const char *name)
{
	struct stat status;

	return fstatat(store_tree.instances, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ||
	       errno != ENOENT;
}

bool store_names(void (*each)(const char *name, void *user), void *user,
		 struct error *err)
{
	return store_names_walk(store_tree.instances, each, user, err);
}

int store_sub_dir(const struct record *record, const char *sub, struct stat *ret_status,
		  struct error *err)
{
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, err);
	AUTO_CLOSE int found = -1;

	if (dir < 0)
		return -1;
	found = files_open_dir(dir, sub);
	if (found < 0 || fstat(found, ret_status) != 0) {
		fail_errno(err, "cannot open %s of %s", sub, record->storage_dir);
		return -1;
	}
	return take_fd(&found);
}

int store_tenant_dir(const struct record *record, const char *sub, struct error *err)
{
	struct stat status;
	AUTO_CLOSE int found = store_sub_dir(record, sub, &status, err);

	if (found >= 0 && status.st_uid != (uid_t)record->uid) {
		fail(err, ERR_FOREIGN_DATA, "%s of %s has another owner", sub,
		     record->storage_dir);
		return -1;
	}
	return take_fd(&found);
}
