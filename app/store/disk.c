/*
 * The image is <root>/instances/<name>/pg.img. The directory below the mount belongs to root,
 * as the one above does, so that nothing can be written past the quota while nothing is mounted.
 */
#include "store/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/files.h"
#include "base/kill_point.h"
#include "base/scope.h"
#include "store/quota_disk.h"
#include "store/space.h"
#include "store/store.h"
#include "store/tree.h"

#define IMAGE_FILE "pg.img"
#define FORMAT_BYTES (128 << 20) /* room for a journal of 64 MB, and the template */
#define FULL_BYTES (24 << 20)	 /* a segment of WAL and a reserve */
#define FULL_INODES 64

struct paths {
	char *file, *place;
};

static void paths_done(struct paths *paths)
{
	free(paths->file);
	free(paths->place);
}

#define AUTO_PATHS __attribute__((cleanup(paths_done))) struct paths

static bool paths_make(struct paths *ret, const char *name, struct error *err)
{
	*ret = (struct paths){ store_path(name, IMAGE_FILE), store_path(name, "pg") };
	return (ret->file && ret->place) || fail(err, ERR_INTERNAL, "out of memory");
}

static enum quota_disk_health health(const struct record *record)
{
	struct error ignored;
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, &ignored);

	return dir < 0 ? QUOTA_DISK_AWAY : quota_disk_look(dir, "pg", record->disk_mb);
}

/* A unit that lost the right to mount since the disk was made gives errors of many kinds. */
static void rights_explain(struct error *err)
{
	struct error why;

	if (err->code == ERR_INTERNAL && !quota_disk_can(&why))
		fail(err, ERR_INTERNAL, "%s", why.message);
}

static bool bring_up(const struct record *record, struct error *err)
{
	AUTO_PATHS paths = { 0 };

	if (!paths_make(&paths, record->storage_dir, err))
		return false;
	if (!quota_disk_mount(paths.file, paths.place, record->disk_mb, err)) {
		rights_explain(err);
		if (err->code == ERR_FOREIGN_DATA)
			snprintf(err->field, sizeof(err->field), "storage_dir");
		return fail_because(err, "the disk of %s", record->storage_dir);
	}
	return health(record) == QUOTA_DISK_UP ||
	       fail(err, ERR_INTERNAL,
		    "the disk of %s is mounted, but pgberthd cannot see it",
		    record->storage_dir);
}

bool store_disk_can(struct error *err)
{
	return quota_disk_can(err);
}

bool store_disk_up(const struct record *record, bool is_idle, struct error *err)
{
	enum quota_disk_health now;

	if (!record->disk_mb)
		return true;
	now = health(record);
	if (now == QUOTA_DISK_UP || (now == QUOTA_DISK_STOPPED && !is_idle))
		return true;
	if (now == QUOTA_DISK_STOPPED && !store_disk_down(record, err))
		return false;
	return bring_up(record, err);
}

bool store_disk_down(const struct record *record, struct error *err)
{
	AUTO_PATHS paths = { 0 };

	if (!record->disk_mb)
		return true;
	return paths_make(&paths, record->storage_dir, err) &&
	       (quota_disk_unmount(paths.file, paths.place, err) ||
		fail_because(err, "the disk of %s", record->storage_dir));
}

bool store_disk_has_stopped(const struct record *record)
{
	return record->disk_mb && health(record) == QUOTA_DISK_STOPPED;
}

int store_disk_mb(const struct record *record)
{
	struct error ignored;
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, &ignored);
	struct stat status;

	if (!record->disk_mb || dir < 0 ||
	    fstatat(dir, IMAGE_FILE, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
	    status.st_size >> 20 < record->disk_mb)
		return record->disk_mb;
	return (int)(status.st_size >> 20);
}

const char *const fullness_names[] = {
	[HAS_ROOM] = "no",
	[OWN_DISK_FULL] = "own",
	[HOST_DISK_FULL] = "host",
};

/* Some file systems have no fixed number of inodes, and say 0 of 0. */
static bool is_full(int fd)
{
	struct statvfs space;

	return fd >= 0 && fstatvfs(fd, &space) == 0 &&
	       (space.f_bavail * space.f_frsize < FULL_BYTES ||
		(space.f_files && space.f_favail < FULL_INODES));
}

enum fullness store_disk_fullness(const struct record *record)
{
	struct error ignored;
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, &ignored);
	AUTO_CLOSE int pg = dir >= 0 && record->disk_mb ? files_open_dir(dir, "pg") : -1;

	if (is_full(pg))
		return OWN_DISK_FULL;
	return is_full(store_tree.root) ? HOST_DISK_FULL : HAS_ROOM;
}

static bool image_make(int dir, const struct record *record, struct error *err)
{
	AUTO_CLOSE int file = -1;
	struct space space;

	if (!store_space(&space, err))
		return false;
	if (space.free_bytes < FORMAT_BYTES)
		return fail(err, ERR_NO_SPACE,
			    "the host has too little space for another disk image");
	file = files_open(dir, IMAGE_FILE, O_RDWR | O_CREAT | O_EXCL, 0600);
	if (file < 0)
		return fail_errno(err, "cannot make %s", IMAGE_FILE);
	if (!quota_disk_format(file, record->disk_mb, err))
		return false;
	kill_point("image.formatted");
	return fsync(dir) == 0 || fail_errno(err, "cannot sync a directory");
}

bool store_image_renew(const struct record *record, struct error *err)
{
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, err);
	AUTO_CLOSE int file = -1;

	if (!record->disk_mb || dir < 0)
		return dir >= 0;
	file = files_open(dir, IMAGE_FILE, O_RDWR, 0);
	if (file < 0)
		return fail_errno(err, "cannot open %s", IMAGE_FILE);
	return quota_disk_renew(file, err);
}

int store_image_make(const struct record *record, struct error *err)
{
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, err);
	AUTO_CLOSE int pg = -1;

	if (dir < 0 || !image_make(dir, record, err) || !bring_up(record, err))
		return -1;
	pg = files_open_dir(dir, "pg");
	if (pg >= 0 && fchown(pg, 0, (gid_t)record->uid) == 0 && fchmod(pg, 0750) == 0)
		return take_fd(&pg);
	fail_errno(err, "cannot open the disk of %s", record->storage_dir);
	return -1;
}
