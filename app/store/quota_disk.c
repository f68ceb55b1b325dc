/* Image files: mkfs.xfs(8), loop(4), mount(2), ioctl_xfs_fsgrowfs(2). */
#include "store/quota_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/loop.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>
#include <xfs/xfs.h>

#include "base/child.h"
#include "base/deadline.h"
#include "base/kill_point.h"
#include "base/log.h"
#include "base/scope.h"

#define MKFS "/usr/sbin/mkfs.xfs"
#define LOOP_CONTROL "/dev/loop-control"
#define XFS_DB "/usr/sbin/xfs_db"
#define CHILD_TIMEOUT_MS 60000
#define MAGIC "XFSB"	     /* what the superblock begins with */
#define UUID_AT 32	     /* in the superblock, of 16 bytes */
#define ATTACH_TRIES 200     /* while others take the free devices */
#define BUSY_TIMEOUT_MS 2000 /* of what is open in it: a look at a log, say */
#define HELD_TIMEOUT_MS 1000 /* of what is being unmounted still */
#define TWIN_TIMEOUT_MS 5000 /* the same, of what this one is a copy of */
#define POLL_MS 10

static const char *engine_socket;

void quota_disk_init(const char *path)
{
	engine_socket = path;
}

static off_t bytes_of_mb(int size_mb)
{
	return (off_t)size_mb << 20;
}

bool quota_disk_can(struct error *err)
{
	if (access(MKFS, X_OK) != 0)
		return fail_field(err, "disk_mb", "this host has no quotas: no " MKFS);
	if (access(LOOP_CONTROL, F_OK) != 0)
		return fail_field(err, "disk_mb",
				  "this host has no quotas: no " LOOP_CONTROL);
	return prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) == 1 ||
	       fail_field(err, "disk_mb",
			  "this host has no quotas: pgberthd is not let mount");
}

bool quota_disk_format(int file, int size_mb, struct error *err)
{
	static const char *const argv[] = { MKFS, "-q", "-K", CHILD_FILE, NULL };

	if (ftruncate(file, bytes_of_mb(size_mb)) != 0)
		return fail_errno(err, "cannot make a disk image");
	return child_run(argv, file, CHILD_TIMEOUT_MS, err);
}

/* A loop device with the file in it; -1 with err. */
static int loop_attach(int file, char ret_path[32], struct error *err)
{
	AUTO_CLOSE int control = open(LOOP_CONTROL, O_RDWR | O_CLOEXEC);
	struct loop_config config = {
		.fd = (__u32)file,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
	};

	for (int i = 0; control >= 0 && i < ATTACH_TRIES; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		AUTO_CLOSE int fd = -1;

		snprintf(ret_path, 32, "/dev/loop%d", number);
		fd = number >= 0 ? open(ret_path, O_RDWR | O_CLOEXEC) : -1;
		if (fd < 0)
			break;
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0)
			return take_fd(&fd);
		if (errno != EBUSY)
			break;
	}
	fail_errno(err, "cannot get a loop device");
	return -1;
}

/* The device that has the file already, opened; -1: none has. */
static int loop_find(int file, char ret_path[32])
{
	struct loop_info64 info;
	struct stat status;
	char sign[64];

	if (fstat(file, &status) != 0)
		return -1;
	/* They are numbered without many gaps: the first free one is taken. */
	for (int number = 0, gaps = 0; gaps < 256; number++) {
		AUTO_CLOSE int fd = -1;

		snprintf(sign, sizeof(sign), "/sys/block/loop%d/loop", number);
		gaps = access(sign, F_OK) == 0 ? 0 : gaps + 1;
		if (gaps)
			continue;
		snprintf(ret_path, 32, "/dev/loop%d", number);
		fd = open(ret_path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0 &&
		    info.lo_device == status.st_dev && info.lo_inode == status.st_ino)
			return take_fd(&fd);
	}
	return -1;
}

/* What is unmounted here may be mounted still where a container copies the host's mounts. */
static bool loop_end_wait(int file, struct error *err)
{
	long long deadline = deadline_in_ms(TWIN_TIMEOUT_MS);
	char device[32];

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

/* xfs_db(8) ends with 0 also where it refused. */
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

/* discard: what is freed in it goes back to the disk below. */
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

/* *ret_is_twin: the kernel refused what has the UUID of another one that is mounted. */
static bool fresh_mount(int file, const char *place, bool *ret_is_twin, struct error *err)
{
	char device[32];
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
 * The kernel refuses what is still mounted somewhere, by a container that has just copied
 * the host's mounts, say, or is just being unmounted: that end is waited for. After it the
 * device is taken that has the same file. What is a copy of that file waits longer.
 */
static bool attach_and_mount(int file, const char *place, struct error *err)
{
	long long held_until = deadline_in_ms(HELD_TIMEOUT_MS);
	long long twin_until = deadline_in_ms(TWIN_TIMEOUT_MS);
	char magic[sizeof(MAGIC)] = "", device[32];
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

/* The loop device of a mounted file system, opened; -1 with errno. */
static int device_open(const struct stat *status)
{
	char link[64], target[256];
	ssize_t length;

	/* ../../devices/virtual/block/loop7 */
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(status->st_dev),
		 minor(status->st_dev));
	length = readlink(link, target, sizeof(target) - 1);
	if (length <= 0)
		return -1;
	target[length] = '\0';
	snprintf(link, sizeof(link), "/dev/%.32s", basename(target));
	return open(link, O_RDWR | O_CLOEXEC);
}

static bool file_stretch(int file, off_t bytes)
{
	struct stat status;

	if (fstat(file, &status) != 0)
		return false;
	return status.st_size >= bytes ||
	       (ftruncate(file, bytes) == 0 && fsync(file) == 0);
}

/* Larger in turn: the file, the device, the file system. */
static bool grow(int file, const char *place, off_t bytes, struct error *err)
{
	AUTO_CLOSE int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	AUTO_CLOSE int loop = -1;
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
	loop = device_open(&status);
	if (loop < 0 || ioctl(loop, LOOP_SET_CAPACITY, 0) != 0)
		return fail_errno(err, "cannot enlarge its loop device");
	if (ioctl(fd, XFS_IOC_FSGROWFSDATA, &wanted) != 0)
		return fail_errno(err, "cannot enlarge its disk");
	kill_point("image.grown");
	return true;
}

/* Whether something is mounted at a directory. */
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

/* ---- in the engine's mount namespace ---- */

struct errand {
	bool (*run)(const struct errand *errand, struct error *err);
	const char *path, *place;
	int size_mb;
	bool ok;
	struct error err;
};

static bool run_mount(const struct errand *errand, struct error *err)
{
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

/* A mount that others look into is taken out of sight, and ends when they are done. */
static bool run_unmount(const struct errand *errand, struct error *err)
{
	long long deadline = deadline_in_ms(BUSY_TIMEOUT_MS);

	while (umount2(errand->place, UMOUNT_NOFOLLOW) != 0) {
		if (errno == EINVAL || errno == ENOENT)
			return true; /* nothing is mounted there */
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
	return true;
}

/* The process that listens at the engine's socket; -1 with errno. */
static pid_t engine_pid(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	AUTO_CLOSE int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer;
	socklen_t size = sizeof(peer);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", engine_socket);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
		return -1;
	return peer.pid;
}

/* Changes root and working directory of this thread, too. */
static bool namespace_enter(struct error *err)
{
	pid_t pid = engine_pid();
	AUTO_CLOSE int fd = -1;
	char path[64];

	if (pid < 0)
		return fail_errno(err, "cannot find the engine");
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return (fd >= 0 && unshare(CLONE_FS) == 0 && setns(fd, CLONE_NEWNS) == 0) ||
	       fail_errno(err, "cannot enter the engine's mount namespace");
}

static void *errand_run(void *user)
{
	struct errand *errand = user;

	errand->ok = namespace_enter(&errand->err) && errand->run(errand, &errand->err);
	return NULL;
}

/* A thread of its own has its own namespace. */
static bool errand_send(struct errand *errand, struct error *err)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, errand_run, errand) != 0)
		return fail(err, ERR_INTERNAL, "cannot start a thread");
	pthread_join(thread, NULL);
	if (!errand->ok)
		*err = errand->err;
	return errand->ok;
}

bool quota_disk_mount(const char *path, const char *place, int size_mb, struct error *err)
{
	struct errand errand = {
		.run = run_mount, .path = path, .place = place, .size_mb = size_mb
	};

	return errand_send(&errand, err);
}

bool quota_disk_unmount(const char *place, struct error *err)
{
	struct errand errand = { .run = run_unmount, .place = place };

	return errand_send(&errand, err);
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
