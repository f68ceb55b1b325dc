/* Changes the owner of trees whose content a hostile tenant may have made. Nothing is
 * followed, and what is no plain entry is refused or left. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/files_walk.h"
#include "base/kill_point.h"
#include "base/scope.h"

/* A walk through a tree, and what it does to each entry. */
struct owning {
	const struct files_owner *owner; /* NULL: only check */
	int depth_max;
	bool is_move; /* entries of `from` alone, which may be of any kind */
	int from, to; /* of a move */
};

static bool entry_refuse(const char *name, const char *what, struct error *err)
{
	return fail(err, ERR_FOREIGN_DATA, "its entry %.100s is %s", name, what);
}

static bool is_device(const struct stat *status)
{
	return S_ISBLK(status->st_mode) || S_ISCHR(status->st_mode);
}

/* An entry that is given away must have no other name, and must hold nothing but data. */
static bool entry_check(const struct owning *owning, const char *name,
			const struct stat *status, int depth, struct error *err)
{
	if (!owning->is_move && is_device(status))
		return entry_refuse(name, "a device", err);
	if (S_ISDIR(status->st_mode))
		return depth < owning->depth_max ||
		       entry_refuse(name, "a directory too deep", err);
	return owning->is_move || status->st_nlink == 1 ||
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

/* chown(2) clears setuid bits: those of the old owner. */
static bool entry_move(const struct owning *owning, int fd, const struct stat *status,
		       struct error *err)
{
	bool is_user = status->st_uid == (uid_t)owning->from;
	bool is_group = status->st_gid == (gid_t)owning->from;

	if (!owning->to || is_device(status) || (!is_user && !is_group))
		return true;
	if (fchownat(fd, "", is_user ? (uid_t)owning->to : (uid_t)-1,
		     is_group ? (gid_t)owning->to : (gid_t)-1, AT_EMPTY_PATH) != 0)
		return fail_errno(err, "cannot change the owner of a file");
	kill_point("move.owned");
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
	if (owning->is_move)
		return entry_move(owning, fd, &status, err);
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
	return own_below(&(struct owning){ .depth_max = depth_max }, dir, 0, err);
}

bool files_own(int dir, const struct files_owner *owner, int depth_max, struct error *err)
{
	return own_below(&(struct owning){ .owner = owner, .depth_max = depth_max }, dir,
			 0, err);
}

bool files_can_move(int dir, struct error *err)
{
	return files_move(dir, 0, 0, err);
}

bool files_move(int dir, int from, int to, struct error *err)
{
	const struct owning owning = {
		.depth_max = FILES_DEPTH_MAX, .is_move = true, .from = from, .to = to
	};

	return own_below(&owning, dir, 0, err);
}
