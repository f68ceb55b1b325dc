/* Images are made by mkfs.xfs(8), mounted by mount(2), and grown by
 * ioctl_xfs_fsgrowfs(2). */
#include "store/quota_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xfs/xfs.h>

#include "base/child.h"
#include "base/deadline.h"
#include "base/kill_point.h"
#include "base/log.h"
#include "base/scope.h"
#include "engine/mount_namespace.h"
#include "store/loop_device.h"

#define MKFS "/usr/sbin/mkfs.xfs"
#define XFS_DB "/usr/sbin/xfs_db"
#define CHILD_TIMEOUT_MS 60000
#define MAGIC "XFSB"	     /* beginning of the superblock */
#define UUID_AT 32	     /* place in the superblock, of 16 bytes */
#define BUSY_TIMEOUT_MS 2000 /* wait for files open in it, as for a look at a log */
#define HELD_TIMEOUT_MS 1000 /* wait for an unmount under way */
#define TWIN_TIMEOUT_MS 5000 /* the same, of the disk that this one is a copy of */
#define POLL_MS 10

static off_t bytes_of_mb(int size_mb)
{
	return (off_t)size_mb << 20;
}

/* The option of the role that installs pgberthd. */
#define OPTION                                                                           \
	"set app_disk_quota: true and run make up, or install disk-quota.conf as "       \
	"pgberthd(8) says"

/* The kernel knows the device, whatever /dev shows to pgberthd. */
static bool host_has_loop_control(void)
{
	return access("/sys/class/misc/loop-control", F_OK) == 0;
}

/* The unit of pgberthd takes right and devices away unless told that servers may have a
 * quota, so the host is not to blame. */
bool quota_disk_can(struct error *err)
{
	if (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) != 1)
		return fail_field(err, "disk_mb",
				  "is not enabled: pgberthd was not given the right to "
				  "mount (CAP_SYS_ADMIN); " OPTION);
	if (access(LOOP_CONTROL, F_OK) != 0)
		return fail_field(err, "disk_mb",
				  host_has_loop_control()
					  ? "is not enabled: " LOOP_CONTROL
					    " is hidden from pgberthd; " OPTION
					  : "is not available: " LOOP_CONTROL
					    " is missing; load the kernel module loop, "
					    "and " OPTION);
	return access(MKFS, X_OK) == 0 ||
	       fail_field(err, "disk_mb",
			  "is not available: " MKFS " is missing; install xfsprogs");
}

bool quota_disk_format(int file, int size_mb, struct error *err)
{
	static const char *const argv[] = { MKFS, "-q", "-K", CHILD_FILE, NULL };

	if (ftruncate(file, bytes_of_mb(size_mb)) != 0)
		return fail_errno(err, "cannot make a disk image");
	return child_run(argv, file, CHILD_TIMEOUT_MS, err);
}

/* A disk that is unmounted here may still be mounted in a container that copies the
 * host's mounts. */
static bool loop_end_wait(int file, struct error *err)
{
	long long deadline = deadline_in_ms(TWIN_TIMEOUT_MS);
	char device[LOOP_PATH_SIZE];

	for (;;) {
		AUTO_CLOSE int loop = loop_find(file, device);

		if (loop < 0)
			return true;
		if (deadline_passed(deadline))
			return fail(err, ERR_FOREIGN_DATA,
				    "its disk image is still mounted");
		sleep_ms(POLL_MS);
	}
}

/* xfs_db(8) ends with status 0 after a refusal too. */
bool quota_disk_renew(int file, struct error *err)
{
	static const char *const argv[] = { XFS_DB,	     "-x",	 "-f", "-c",
					    "uuid generate", CHILD_FILE, NULL };
	char before[16], after[sizeof(before)];

	if (!loop_end_wait(file, err))
		return false;
	if (pread(file, before, sizeof(before), UUID_AT) != sizeof(before))
		return fail_errno(err, "cannot read its disk image");
	if (!child_run(argv, file, CHILD_TIMEOUT_MS, err))
		return false;
	if (fsync(file) != 0 ||
	    pread(file, after, sizeof(after), UUID_AT) != sizeof(after))
		return fail_errno(err, "cannot read its disk image");
	return memcmp(before, after, sizeof(after)) != 0 ||
	       fail(err, ERR_FOREIGN_DATA,
		    "its disk image was not unmounted when it was copied");
}

/* discard gives freed space back to the disk below. */
static bool device_mount(const char *device, const char *place)
{
	return mount(device, place, "xfs", MS_NOSUID | MS_NODEV | MS_NOATIME,
		     "discard") == 0;
}

static bool mount_failed(struct error *err)
{
	if (errno == EINVAL)
		return fail(
			err, ERR_FOREIGN_DATA,
			"its disk image is a copy of one that is mounted, or damaged");
	return errno == EUCLEAN ? fail(err, ERR_FOREIGN_DATA, "its disk image is damaged")
				: fail_errno(err, "cannot mount its disk image");
}

/* *ret_is_twin: the kernel refused the disk because another one with its UUID is
 * mounted. */
static bool fresh_mount(int file, const char *place, bool *ret_is_twin, struct error *err)
{
	char device[LOOP_PATH_SIZE];
	AUTO_CLOSE int loop = loop_attach(file, device, err);

	*ret_is_twin = false;
	if (loop < 0)
		return false;
	kill_point("image.attached");
	if (device_mount(device, place))
		return true;
	*ret_is_twin = errno == EINVAL;
	return mount_failed(err);
}

/*
 * The kernel refuses a disk that is still mounted somewhere, in a container that has just
 * copied the host's mounts for example, or that is being unmounted: its end is waited
 * for, then the device with the same file is used. A copy of a mounted disk waits longer.
 */
static bool attach_and_mount(int file, const char *place, struct error *err)
{
	long long held_until = deadline_in_ms(HELD_TIMEOUT_MS);
	long long twin_until = deadline_in_ms(TWIN_TIMEOUT_MS);
	char magic[sizeof(MAGIC)] = "", device[LOOP_PATH_SIZE];
	bool is_twin;

	if (pread(file, magic, strlen(MAGIC), 0) < 0 || strcmp(magic, MAGIC) != 0)
		return fail(err, ERR_FOREIGN_DATA, "its disk image is damaged");
	while (!fresh_mount(file, place, &is_twin, err)) {
		AUTO_CLOSE int loop = is_twin ? loop_find(file, device) : -1;

		if (!is_twin)
			return false;
		if (deadline_passed(loop < 0 ? twin_until : held_until))
			return loop >= 0 &&
			       (device_mount(device, place) || mount_failed(err));
		sleep_ms(POLL_MS);
	}
	return true;
}

static bool file_stretch(int file, off_t bytes)
{
	struct stat status;

	if (fstat(file, &status) != 0)
		return false;
	return status.st_size >= bytes ||
	       (ftruncate(file, bytes) == 0 && fsync(file) == 0);
}

/* Growth goes in turn: the file, the device, the file system. */
static bool grow(int file, const char *place, off_t bytes, struct error *err)
{
	AUTO_CLOSE int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct xfs_fsop_geom geometry;
	struct xfs_growfs_data wanted;
	struct stat status;

	if (fd < 0 || fstat(fd, &status) != 0 ||
	    ioctl(fd, XFS_IOC_FSGEOMETRY, &geometry) != 0)
		return fail_errno(err, "cannot look at its disk");
	wanted.newblocks = (__u64)bytes / geometry.blocksize;
	wanted.imaxpct = geometry.imaxpct;
	if (geometry.datablocks >= wanted.newblocks)
		return true;
	if (!file_stretch(file, bytes))
		return fail_errno(err, "cannot enlarge its disk image");
	kill_point("image.stretched");
	if (!loop_stretch(&status))
		return fail_errno(err, "cannot enlarge its loop device");
	if (ioctl(fd, XFS_IOC_FSGROWFSDATA, &wanted) != 0)
		return fail_errno(err, "cannot enlarge its disk");
	kill_point("image.grown");
	return true;
}

/* True when a file system is mounted at a directory. */
static bool is_mount(const char *place, bool *ret_is, struct error *err)
{
	char above[PATH_MAX];
	struct stat here, there;

	snprintf(above, sizeof(above), "%s/..", place);
	if (stat(above, &there) != 0)
		return fail_errno(err, "cannot look at %s", above);
	/* A file system that stopped itself gives EIO. */
	*ret_is = stat(place, &here) != 0 || here.st_dev != there.st_dev;
	return true;
}

struct errand {
	const char *path, *place;
	int size_mb;
};

static bool mount_there(void *user, struct error *err)
{
	const struct errand *errand = user;
	AUTO_CLOSE int file = open(errand->path, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	bool is_there = false;

	if (file < 0)
		return errno == ENOENT
			       ? fail(err, ERR_FOREIGN_DATA, "its disk image is missing")
			       : fail_errno(err, "cannot open its disk image");
	if (!is_mount(errand->place, &is_there, err) ||
	    (!is_there && !attach_and_mount(file, errand->place, err)))
		return false;
	kill_point("image.mounted");
	return grow(file, errand->place, bytes_of_mb(errand->size_mb), err);
}

/* A container that starts has the host's mounts for a moment, and what it keeps alive is
 * not in the file yet: a copy of the file would lack it. */
static void end_wait(const struct errand *errand)
{
	AUTO_CLOSE int file = open(errand->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct error err;

	if (file >= 0 && !loop_end_wait(file, &err))
		log_warn("disk still mounted elsewhere place=%s", errand->place);
}

/* A mount that is in use is detached, and ends with its last user. */
static bool unmount_there(void *user, struct error *err)
{
	const struct errand *errand = user;
	long long deadline = deadline_in_ms(BUSY_TIMEOUT_MS);

	while (umount2(errand->place, UMOUNT_NOFOLLOW) != 0) {
		if (errno == EINVAL || errno == ENOENT)
			return true; /* EINVAL: nothing is mounted there */
		if (errno != EBUSY)
			return fail_errno(err, "cannot unmount its disk");
		if (deadline_passed(deadline)) {
			log_warn("unmounted while in use place=%s", errand->place);
			return umount2(errand->place, UMOUNT_NOFOLLOW | MNT_DETACH) ==
				       0 ||
			       fail_errno(err, "cannot unmount its disk");
		}
		sleep_ms(POLL_MS);
	}
	kill_point("image.unmounted");
	end_wait(errand);
	return true;
}

bool quota_disk_mount(const char *path, const char *place, int size_mb, struct error *err)
{
	struct errand errand = { .path = path, .place = place, .size_mb = size_mb };

	return engine_mount_namespace_run(mount_there, &errand, err);
}

bool quota_disk_unmount(const char *path, const char *place, struct error *err)
{
	struct errand errand = { .path = path, .place = place };

	return engine_mount_namespace_run(unmount_there, &errand, err);
}

enum quota_disk_health quota_disk_look(int parent, const char *name, int size_mb)
{
	AUTO_CLOSE int fd =
		openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct xfs_fsop_geom geometry;
	struct stat here, there;

	if (fd < 0)
		return errno == EIO ? QUOTA_DISK_STOPPED : QUOTA_DISK_AWAY;
	if (fstat(fd, &here) != 0)
		return QUOTA_DISK_STOPPED;
	if (fstat(parent, &there) != 0 || here.st_dev == there.st_dev ||
	    ioctl(fd, XFS_IOC_FSGEOMETRY, &geometry) != 0)
		return QUOTA_DISK_AWAY;
	return (off_t)(geometry.datablocks * geometry.blocksize) < bytes_of_mb(size_mb)
		       ? QUOTA_DISK_SMALL
		       : QUOTA_DISK_UP;
}
