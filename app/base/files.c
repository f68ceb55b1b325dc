/* File system calls that never follow a name out of the directory they were given. */
#include "base/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/files_walk.h"
#include "base/kill_point.h"
#include "base/scope.h"

static int open_beneath(int dir, const char *path, int flags, mode_t mode,
			uint64_t resolve)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
		.mode = (flags & O_CREAT) ? mode : 0,
		.resolve = resolve | RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS |
			   RESOLVE_NO_MAGICLINKS,
	};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

int files_open(int dir, const char *path, int flags, mode_t mode)
{
	return open_beneath(dir, path, flags, mode, 0);
}

int files_open_here(int dir, const char *path, int flags)
{
	return open_beneath(dir, path, flags, 0, RESOLVE_NO_XDEV);
}

int files_open_dir(int dir, const char *path)
{
	return files_open(dir, path, O_RDONLY | O_DIRECTORY, 0);
}

bool files_make_dir(int dir, const char *name, int uid, int gid, mode_t mode,
		    struct error *err)
{
	if (mkdirat(dir, name, 0700) != 0)
		return fail_errno(err, "cannot make directory %s", name);
	if (fchownat(dir, name, (uid_t)uid, (gid_t)gid, AT_SYMLINK_NOFOLLOW) != 0 ||
	    fchmodat(dir, name, mode, 0) != 0)
		return fail_errno(err, "cannot set the owner of directory %s", name);
	return true;
}

static bool write_all(int fd, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t written = write(fd, data, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return false;
		data += written;
		length -= (size_t)written;
	}
	return true;
}

static bool file_write(int dir, const char *name, const char *data, size_t length,
		       int uid, int gid, mode_t mode)
{
	AUTO_CLOSE int fd = -1;

	unlinkat(dir, name, 0);
	fd = files_open(dir, name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	return fd >= 0 && write_all(fd, data, length) &&
	       fchown(fd, (uid_t)uid, (gid_t)gid) == 0 && fchmod(fd, mode) == 0 &&
	       fsync(fd) == 0;
}

bool files_replace(int dir, const char *name, const char *data, size_t length, int uid,
		   int gid, mode_t mode, struct error *err)
{
	char temporary[80];
	bool ok;

	snprintf(temporary, sizeof(temporary), "%s.tmp", name);
	ok = file_write(dir, temporary, data, length, uid, gid, mode);

	kill_point("file.written");
	if (ok && renameat(dir, temporary, dir, name) == 0 && fsync(dir) == 0)
		return true;
	fail_errno(err, "cannot write %s", name);
	unlinkat(dir, temporary, 0);
	return false;
}

bool files_read(int dir, const char *name, size_t max, struct buf *ret, struct error *err)
{
	AUTO_CLOSE int fd = files_open(dir, name, O_RDONLY | O_NONBLOCK, 0);
	struct stat status;
	char chunk[8192];
	ssize_t got;

	if (fd < 0 || fstat(fd, &status) != 0)
		return fail_errno(err, "cannot read %s", name);
	if (!S_ISREG(status.st_mode) || (size_t)status.st_size > max)
		return fail(err, ERR_FOREIGN_DATA,
			    "%s is not a file of at most %zu bytes", name, max);
	while ((got = read(fd, chunk, sizeof(chunk))) > 0 && ret->length <= max)
		if (!buf_append(ret, chunk, (size_t)got))
			return fail(err, ERR_INTERNAL, "out of memory");
	return got == 0 || fail_errno(err, "cannot read %s", name);
}

DIR *files_stream(int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;

	if (!stream && fd >= 0)
		close(fd);
	return stream;
}

const struct dirent *files_next(DIR *stream)
{
	const struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(stream);
	} while (entry &&
		 (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
	return entry;
}

static bool copy_bytes(int from, int to)
{
	ssize_t copied;

	do
		copied = copy_file_range(from, NULL, to, NULL, 1 << 30, 0);
	while (copied > 0 || (copied < 0 && errno == EINTR));
	if (copied == 0 || errno != EXDEV)
		return copied == 0;
	do /* copy_file_range() does not work between types of file systems */
		copied = sendfile(to, from, NULL, 1 << 30);
	while (copied > 0 || (copied < 0 && errno == EINTR));
	return copied == 0;
}

static bool copy_file(int from, int to, const char *name, int uid, struct error *err)
{
	AUTO_CLOSE int source = files_open(from, name, O_RDONLY, 0);
	AUTO_CLOSE int target = files_open(to, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	if (source < 0 || target < 0 || !copy_bytes(source, target) ||
	    fchown(target, (uid_t)uid, (gid_t)uid) != 0)
		return fail_errno(err, "cannot copy %s", name);
	kill_point("fill.copied");
	/* Write-back starts now, so that the later fsync has little left to do. */
	sync_file_range(target, 0, 0, SYNC_FILE_RANGE_WRITE);
	return true;
}

static bool copy_dir(int from, int to, const char *name, int uid, struct error *err)
{
	AUTO_CLOSE int source = -1;
	AUTO_CLOSE int target = -1;

	if (!files_make_dir(to, name, uid, uid, 0700, err))
		return false;
	source = files_open_dir(from, name);
	target = files_open_dir(to, name);
	if (source < 0 || target < 0)
		return fail_errno(err, "cannot open directory %s", name);
	return files_copy_tree(source, target, uid, err);
}

bool files_copy_tree(int from, int to, int uid, struct error *err)
{
	AUTO_DIR *stream = files_stream(from);
	const struct dirent *entry;

	if (!stream)
		return fail_errno(err, "cannot list the template");
	while ((entry = files_next(stream))) {
		bool ok = entry->d_type == DT_DIR
				  ? copy_dir(from, to, entry->d_name, uid, err)
				  : copy_file(from, to, entry->d_name, uid, err);

		if (!ok)
			return false;
	}
	return errno == 0 || fail_errno(err, "cannot list the template");
}

bool files_sync_tree(int dir, struct error *err)
{
	AUTO_DIR *stream = files_stream(dir);
	const struct dirent *entry;

	if (!stream)
		return fail_errno(err, "cannot list a directory to sync it");
	while ((entry = files_next(stream))) {
		AUTO_CLOSE int fd = files_open(dir, entry->d_name, O_RDONLY, 0);

		if (fd < 0)
			return fail_errno(err, "cannot open %s to sync it",
					  entry->d_name);
		if (entry->d_type == DT_DIR && !files_sync_tree(fd, err))
			return false;
		if (entry->d_type != DT_DIR && fsync(fd) != 0)
			return fail_errno(err, "cannot sync %s", entry->d_name);
	}
	return fsync(dir) == 0 || fail_errno(err, "cannot sync a directory");
}
