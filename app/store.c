/* The tree under <root>: open, load, take, fill, save, discard, trash. */
#include "store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "files.h"
#include "log.h"
#include "scope.h"
#include "store_tenant.h"
#include "sysid.h"

#define RECORD_FILE "instance.json"
#define RECORD_MAX (64 * 1024)
#define TEMPORARY_SIZE sizeof(((struct spare *)0)->name)

static const struct config *config;
static int root_dir = -1, instances_dir = -1, staging_dir = -1, trash_dir = -1;

static struct {
	pthread_mutex_t lock;
	unsigned char *taken; /* a byte per uid from uid_min on, held under lock */
	int next;
} uids = { .lock = PTHREAD_MUTEX_INITIALIZER };

#define SPARES_MAX 256

static struct {
	pthread_mutex_t lock;
	struct spare list[SPARES_MAX]; /* these two held under lock */
	int count;
} spares = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Opens <root>/name, made if missing. -1 with err. */
static int root_sub(const char *name, struct error *err)
{
	int fd;

	if (mkdirat(root_dir, name, 0700) != 0 && errno != EEXIST) {
		fail_errno(err, "cannot make %s/%s", config->root, name);
		return -1;
	}
	fd = files_open_dir(root_dir, name);
	if (fd < 0)
		fail_errno(err, "cannot open %s/%s", config->root, name);
	return fd;
}

static bool root_lock(struct error *err)
{
	int fd = files_open(root_dir, "lock", O_RDWR | O_CREAT, 0600);

	if (fd < 0)
		return fail_errno(err, "cannot open %s/lock", config->root);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		return fail(err, ERR_BUSY, "another pgberthd has %s", config->root);
	}
	return true; /* kept open, and so locked, until the process ends */
}

/* Calls each(name, user) for the entries of a directory that are not hidden. */
static bool names_walk(int dir, void (*each)(const char *name, void *user), void *user,
		       struct error *err)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!stream) {
		if (fd >= 0)
			close(fd);
		return fail_errno(err, "cannot list a directory of %s", config->root);
	}
	while ((entry = readdir(stream)))
		if (entry->d_name[0] != '.')
			each(entry->d_name, user);
	closedir(stream);
	return true;
}

static void staging_clear(const char *name, void *user)
{
	struct error err;

	(void)user;
	if (!files_remove_tree(staging_dir, name, &err))
		log_warn("left behind in staging name=%s error=\"%s\"", name,
			 err.message);
}

bool store_open(const struct config *cfg, struct error *err)
{
	config = cfg;
	root_dir = open(cfg->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root_dir < 0)
		return fail_errno(err, "cannot open root %s", cfg->root);
	if (!root_lock(err))
		return false;
	instances_dir = root_sub("instances", err);
	staging_dir = instances_dir < 0 ? -1 : root_sub("staging", err);
	trash_dir = staging_dir < 0 ? -1 : root_sub("trash", err);
	uids.taken = calloc((size_t)(cfg->uid_max - cfg->uid_min + 1), 1);
	if (!uids.taken)
		return fail(err, ERR_INTERNAL, "out of memory");
	return trash_dir >= 0 && names_walk(staging_dir, staging_clear, NULL, err);
}

static void uid_mark(int uid)
{
	if (uid >= config->uid_min && uid <= config->uid_max)
		uids.taken[uid - config->uid_min] = 1;
}

bool store_uid_take(int *ret_uid, struct error *err)
{
	int count = config->uid_max - config->uid_min + 1;
	int found = -1;

	pthread_mutex_lock(&uids.lock);
	for (int i = 0; i < count && found < 0; i++) {
		int candidate = (uids.next + i) % count;

		if (!uids.taken[candidate])
			found = candidate;
	}
	if (found >= 0) {
		uids.taken[found] = 1;
		uids.next = found + 1;
	}
	pthread_mutex_unlock(&uids.lock);
	if (found < 0)
		return fail(err, ERR_NO_SPACE, "all %d uids are taken; empty the trash",
			    count);
	*ret_uid = config->uid_min + found;
	return true;
}

void store_uid_release(int uid)
{
	pthread_mutex_lock(&uids.lock);
	if (uid >= config->uid_min && uid <= config->uid_max)
		uids.taken[uid - config->uid_min] = 0;
	pthread_mutex_unlock(&uids.lock);
}

static int instance_open(const char *name, struct error *err)
{
	int fd = files_open_dir(instances_dir, name);

	if (fd < 0)
		fail_errno(err, "cannot open the directory of %s", name);
	return fd;
}

static bool record_read(int parent, const char *name, struct record *ret,
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

struct loading {
	void (*each)(struct record *record, void *user);
	void (*broken)(const char *name, const struct error *err, void *user);
	void *user;
};

/* A directory whose record cannot be read still has an owner, whose uid is taken. */
static void owner_mark(int parent, const char *name)
{
	AUTO_CLOSE int dir = files_open_dir(parent, name);
	struct stat status;

	if (dir >= 0 && fstatat(dir, "pg", &status, AT_SYMLINK_NOFOLLOW) == 0 &&
	    status.st_uid <= INT32_MAX)
		uid_mark((int)status.st_uid);
}

static void instance_load(const char *name, void *user)
{
	const struct loading *loading = user;
	AUTO_RECORD record = { 0 };
	struct error err;

	owner_mark(instances_dir, name);
	if (!record_read(instances_dir, name, &record, &err)) {
		loading->broken(name, &err, loading->user);
		return;
	}
	if (strcmp(record.storage_dir, name) != 0) {
		fail(&err, ERR_FOREIGN_DATA, "the record is of %s", record.storage_dir);
		loading->broken(name, &err, loading->user);
		return;
	}
	uid_mark(record.uid);
	loading->each(&record, loading->user);
}

static void trash_load(const char *name, void *user)
{
	AUTO_RECORD record = { 0 };
	struct error err;

	(void)user;
	owner_mark(trash_dir, name);
	if (record_read(trash_dir, name, &record, &err))
		uid_mark(record.uid);
}

bool store_load(void (*each)(struct record *record, void *user),
		void (*broken)(const char *name, const struct error *err, void *user),
		void *user, struct error *err)
{
	struct loading loading = { each, broken, user };

	return names_walk(trash_dir, trash_load, NULL, err) &&
	       names_walk(instances_dir, instance_load, &loading, err);
}

bool store_template(int version, struct template *ret, struct error *err)
{
	const char *image_id, *directory, *libc;
	json_auto_t *json = NULL;
	AUTO_BUF text = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "templates/%d/manifest.json", version);
	if (!files_read(root_dir, path, RECORD_MAX, &text, err))
		return fail(err, ERR_IMAGE_MISSING,
			    "no image of PostgreSQL %d is installed; run make up",
			    version);
	json = json_loadb(buf_text(&text), text.length, 0, NULL);
	if (json_unpack(json, "{s:s s:s s:s}", "image_id", &image_id, "template",
			&directory, "libc", &libc) != 0 ||
	    !name_is_valid(directory))
		return fail(err, ERR_IMAGE_MISSING, "%s/%s cannot be understood",
			    config->root, path);
	snprintf(ret->image_id, sizeof(ret->image_id), "%s", image_id);
	snprintf(ret->directory, sizeof(ret->directory), "%s", directory);
	snprintf(ret->libc, sizeof(ret->libc), "%s", libc);
	return true;
}

/* A name for staging that no other request uses. */
static void temporary_name(char name[TEMPORARY_SIZE], const char *base)
{
	uint64_t number = 0;

	if (getrandom(&number, sizeof(number), 0) < 0)
		number = (uint64_t)time(NULL);
	snprintf(name, TEMPORARY_SIZE, "%s.%016llx", base, (unsigned long long)number);
}

static bool record_write(int dir, const struct record *record, struct error *err)
{
	json_auto_t *json = record_to_json(record);
	AUTO_FREE char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;

	if (!text)
		return fail(err, ERR_INTERNAL, "out of memory");
	return files_replace(dir, RECORD_FILE, text, strlen(text), 0, 0, 0600, err);
}

static bool conf_write(int dir, const struct record *record, const struct conf_file *file,
		       struct error *err)
{
	AUTO_CLOSE int conf = files_open_dir(dir, "conf");

	if (conf < 0)
		return fail_errno(err, "cannot open conf of %s", record->storage_dir);
	return files_replace(conf, file->name, file->content, strlen(file->content), 0,
			     record->uid, 0640, err);
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
	if (spare && renameat(staging_dir, spare->name, dir, "pg") != 0)
		return fail_errno(err, "cannot move the spare data directory");
	for (; files->name; files++)
		if (!conf_write(dir, record, files, err))
			return false;
	return record_write(dir, record, err);
}

static bool instance_place(const char *temporary, const char *name, struct error *err)
{
	if (renameat2(staging_dir, temporary, instances_dir, name, RENAME_NOREPLACE) == 0)
		return fsync(instances_dir) == 0 ||
		       fail_errno(err, "cannot sync instances");
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
	char temporary[TEMPORARY_SIZE];
	AUTO_CLOSE int dir = -1;
	bool ok;

	temporary_name(temporary, record->storage_dir);
	ok = files_make_dir(staging_dir, temporary, 0, 0, 0700, err);
	if (ok) {
		dir = files_open_dir(staging_dir, temporary);
		ok = dir >= 0 && instance_lay(dir, record, files, spare, err) &&
		     instance_place(temporary, record->storage_dir, err);
	}
	if (!ok)
		staging_clear(temporary, NULL);
	if (!ok && spare)
		staging_clear(spare->name, NULL);
	return ok;
}

static bool pg_lay(int pg, int version, int uid, const struct template *template,
		   struct error *err)
{
	AUTO_CLOSE int source = -1;
	AUTO_CLOSE int data = -1;
	char path[128];

	snprintf(path, sizeof(path), "templates/%d/%s", version, template->directory);
	source = files_open_dir(root_dir, path);
	if (source < 0)
		return fail_errno(err, "cannot open the template %s/%s", config->root,
				  path);
	if (!files_make_dir(pg, "data", uid, uid, 0700, err) ||
	    !files_make_dir(pg, "run", uid, uid, 0700, err) ||
	    !files_make_dir(pg, "log", uid, uid, 0700, err))
		return false;
	data = files_open_dir(pg, "data");
	if (data < 0)
		return fail_errno(err, "cannot open the new data directory");
	return files_copy_tree(source, data, uid, err) && sysid_renew(data, err) &&
	       files_sync_tree(pg, err);
}

/* A whole pg/ in staging, under a name of its own. */
static bool pg_make(char name[TEMPORARY_SIZE], int version, int uid,
		    const struct template *template, struct error *err)
{
	AUTO_CLOSE int pg = -1;

	temporary_name(name, "pg");
	if (!files_make_dir(staging_dir, name, 0, uid, 0750, err))
		return false;
	pg = files_open_dir(staging_dir, name);
	if (pg >= 0 && pg_lay(pg, version, uid, template, err))
		return true;
	staging_clear(name, NULL);
	return false;
}

bool store_fill(const struct record *record, const struct template *template,
		struct error *err)
{
	char temporary[TEMPORARY_SIZE];
	AUTO_CLOSE int dir = instance_open(record->storage_dir, err);

	if (dir < 0 || !pg_make(temporary, record->version, record->uid, template, err))
		return false;
	if (renameat(staging_dir, temporary, dir, "pg") == 0 && fsync(dir) == 0)
		return true;
	fail_errno(err, "cannot move the new data directory to its place");
	staging_clear(temporary, NULL);
	return false;
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
		staging_clear(ret->name,
			      NULL); /* of an image that is no longer installed */
		store_uid_release(ret->uid);
	}
	return false;
}

bool store_save(const struct record *record, struct error *err)
{
	AUTO_CLOSE int dir = instance_open(record->storage_dir, err);

	return dir >= 0 && record_write(dir, record, err);
}

bool store_conf_write(const struct record *record, const struct conf_file *file,
		      struct error *err)
{
	AUTO_CLOSE int dir = instance_open(record->storage_dir, err);

	return dir >= 0 && conf_write(dir, record, file, err);
}

bool store_conf_equals(const struct record *record, const struct conf_file *file)
{
	struct error ignored;
	AUTO_CLOSE int dir = instance_open(record->storage_dir, &ignored);
	AUTO_CLOSE int conf = dir >= 0 ? files_open_dir(dir, "conf") : -1;
	AUTO_BUF text = { 0 };

	return conf >= 0 && files_read(conf, file->name, RECORD_MAX, &text, &ignored) &&
	       strcmp(buf_text(&text), file->content) == 0;
}

void store_conf_remove(const struct record *record, const char *name)
{
	struct error ignored;
	AUTO_CLOSE int dir = instance_open(record->storage_dir, &ignored);
	AUTO_CLOSE int conf = dir >= 0 ? files_open_dir(dir, "conf") : -1;

	if (conf >= 0)
		unlinkat(conf, name, 0);
}

bool store_discard(const char *name, struct error *err)
{
	char temporary[TEMPORARY_SIZE];

	temporary_name(temporary, name);
	if (renameat(instances_dir, name, staging_dir, temporary) != 0)
		return errno == ENOENT || fail_errno(err, "cannot discard %s", name);
	fsync(instances_dir);
	return files_remove_tree(staging_dir, temporary, err);
}

bool store_trash(const char *name, struct error *err)
{
	char base[TEMPORARY_SIZE - 17], entry[TEMPORARY_SIZE];
	time_t now = time(NULL);
	struct tm utc;
	size_t used;

	used = (size_t)snprintf(base, sizeof(base), "%.62s.", name);
	gmtime_r(&now, &utc);
	strftime(base + used, sizeof(base) - used, "%Y%m%dT%H%M%SZ", &utc);
	temporary_name(entry, base);
	if (renameat(instances_dir, name, trash_dir, entry) != 0 ||
	    fsync(trash_dir) != 0 || fsync(instances_dir) != 0)
		return fail_errno(err, "cannot move %s to the trash", name);
	return true;
}

char *store_path(const char *name, const char *sub)
{
	char *path;

	if (asprintf(&path, "%s/instances/%s/%s", config->root, name, sub) < 0)
		return NULL;
	return path;
}

bool store_space(uint64_t *ret_free, uint64_t *ret_total, struct error *err)
{
	struct statvfs space;

	if (fstatvfs(root_dir, &space) != 0)
		return fail_errno(err, "cannot look at the file system of %s",
				  config->root);
	*ret_free = (uint64_t)space.f_bavail * space.f_frsize;
	*ret_total = (uint64_t)space.f_blocks * space.f_frsize;
	return true;
}

int store_tenant_dir(const struct record *record, const char *sub, struct error *err)
{
	AUTO_CLOSE int dir = instance_open(record->storage_dir, err);
	AUTO_CLOSE int found = -1;
	struct stat status;

	if (dir < 0)
		return -1;
	found = files_open_dir(dir, sub);
	if (found < 0 || fstat(found, &status) != 0) {
		fail_errno(err, "cannot open %s of %s", sub, record->storage_dir);
		return -1;
	}
	if (status.st_uid != (uid_t)record->uid) {
		fail(err, ERR_FOREIGN_DATA, "%s of %s has another owner", sub,
		     record->storage_dir);
		return -1;
	}
	return take_fd(&found);
}

long long store_log_bytes(void)
{
	return config->log_mb * 1024LL * 1024;
}
