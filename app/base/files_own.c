/* Changes the owner of trees whose content a hostile tenant may have made. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/files_walk.h"
#include "base/kill_point.h"
#include "base/scope.h"

struct owning {
	const struct files_owner *owner; /* NULL: only check */
	int depth_max;
};

static bool entry_refuse(const char *name, const char *what, struct error *err)
{
	return fail(err, ERR_FOREIGN_DATA, "its entry %.100s is %s", name, what);
}

/* An entry that is given away must have no other name, and must hold nothing but data. */
static bool entry_check(const struct owning *owning, const char *name,
			const struct stat *status, int depth, struct error *err)
{
	if (S_ISBLK(status->st_mode) || S_ISCHR(status->st_mode))
		return entry_refuse(name, "a device", err);
	if (S_ISDIR(status->st_mode))
		return depth < owning->depth_max ||
		       entry_refuse(name, "a directory too deep", err);
	return status->st_nlink == 1 ||
	       entry_refuse(name, "a file with several names (hard links)", err);
}

static bool entry_give(const struct owning *owning, int fd, const struct stat *status,
		       struct error *err)
{
	const struct files_owner *owner = owning->owner;
	char path[32];

	/* The mode is set last, since chown(2) clears setuid bits. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (fchownat(fd, "", (uid_t)owner->uid, (gid_t)owner->gid, AT_EMPTY_PATH) != 0 ||
	    (S_ISREG(status->st_mode) && owner->file_mode &&
	     chmod(path, owner->file_mode) != 0))
		return fail_errno(err, "cannot change the owner of a file");
	kill_point("adopt.owned");
	return true;
}

static bool own_below(const struct owning *owning, int dir, int depth, struct error *err);

static bool own_entry(const struct owning *owning, int dir, const char *name, int depth,
		      struct error *err)
{
	AUTO_CLOSE int fd = files_open_here(dir, name, O_PATH);
	AUTO_CLOSE int below = -1;
	struct stat status;

	if (fd < 0 && errno == EXDEV)
		return entry_refuse(name, "a mount", err);
	if (fd < 0 || fstat(fd, &status) != 0)
		return fail_errno(err, "cannot open %.100s", name);
	if (!entry_check(owning, name, &status, depth, err))
		return false;
	if (S_ISDIR(status.st_mode)) {
		below = files_open_here(fd, ".", O_RDONLY | O_DIRECTORY);
		if (below < 0)
			return fail_errno(err, "cannot open directory %.100s", name);
		if (!own_below(owning, below, depth + 1, err))
			return false;
	}
	return !owning->owner || entry_give(owning, fd, &status, err);
}

static bool own_below(const struct owning *owning, int dir, int depth, struct error *err)
{
	AUTO_DIR *stream = files_stream(dir);
	const struct dirent *entry;

	if (!stream)
		return fail_errno(err, "cannot list a directory");
	while ((entry = files_next(stream)))
		if (!own_entry(owning, dir, entry->d_name, depth, err))
			return false;
	return errno == 0 || fail_errno(err, "cannot list a directory");
}

bool files_can_own(int dir, int depth_max, struct error *err)
{
	return own_below(&(struct owning){ NULL, depth_max }, dir, 0, err);
}

bool files_own(int dir, const struct files_owner *owner, int depth_max, struct error *err)
{
	return own_below(&(struct owning){ owner, depth_max }, dir, 0, err);
}
