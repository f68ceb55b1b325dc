/* Removing and measuring trees that somebody hostile may have made. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "files.h"
#include "files_walk.h"
#include "scope.h"

#define DEPTH_MAX 64

/* One removal. What lies deeper than DEPTH_MAX is moved up to `top`, under numbered
 * names, and removed from there: descriptors and stack stay bounded. */
struct removal {
	int top;
	const char *name; /* prefix of those names */
	dev_t device;
	unsigned long long moved, done;
};

static void moved_name(const struct removal *removal, unsigned long long number,
		       char *ret, size_t size)
{
	snprintf(ret, size, "%.150s.deep.%llu", removal->name, number);
}

static bool move_up(struct removal *removal, int dir, const char *name, struct error *err)
{
	char moved[200];

	moved_name(removal, removal->moved, moved, sizeof(moved));
	if (renameat(dir, name, removal->top, moved) != 0)
		return fail_errno(err, "cannot move %s to remove it", name);
	removal->moved++;
	return true;
}

static bool remove_below(struct removal *removal, int dir, const char *name, int depth,
			 struct error *err);

static bool remove_entries(struct removal *removal, int dir, int depth, struct error *err)
{
	AUTO_DIR *stream = files_stream(dir);
	const struct dirent *entry;

	if (!stream)
		return fail_errno(err, "cannot list a directory to remove it");
	while ((entry = files_next(stream)))
		if (!remove_below(removal, dir, entry->d_name, depth, err))
			return false;
	return true;
}

static bool remove_below(struct removal *removal, int dir, const char *name, int depth,
			 struct error *err)
{
	AUTO_CLOSE int fd = -1;
	struct stat status;

	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return true;
	if (errno != EISDIR && errno != EPERM)
		return fail_errno(err, "cannot remove %s", name);
	if (depth > DEPTH_MAX)
		return move_up(removal, dir, name, err);
	fd = files_open_dir(dir, name);
	if (fd < 0 || fstat(fd, &status) != 0)
		return fail_errno(err, "cannot open %s to remove it", name);
	if (status.st_dev != removal->device)
		return fail(err, ERR_INTERNAL, "%s is a mount", name);
	if (!remove_entries(removal, fd, depth + 1, err))
		return false;
	return unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT ||
	       fail_errno(err, "cannot remove directory %s", name);
}

bool files_remove_tree(int dir, const char *name, struct error *err)
{
	struct removal removal = { .top = dir, .name = name };
	struct stat status;
	char moved[200];

	if (fstat(dir, &status) != 0)
		return fail_errno(err, "cannot look at a directory");
	removal.device = status.st_dev;
	if (!remove_below(&removal, dir, name, 0, err))
		return false;
	for (; removal.done < removal.moved; removal.done++) {
		moved_name(&removal, removal.done, moved, sizeof(moved));
		if (!remove_below(&removal, dir, moved, 0, err))
			return false;
	}
	return true;
}

static uint64_t size_below(int dir, dev_t device, int depth, int *files_left)
{
	AUTO_DIR *stream = files_stream(dir);
	const struct dirent *entry;
	struct stat status;
	uint64_t size = 0;

	while (stream && *files_left > 0 && (entry = files_next(stream))) {
		--*files_left;
		if (fstatat(dir, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
		    status.st_dev != device)
			continue;
		size += (uint64_t)status.st_blocks * 512;
		if (S_ISDIR(status.st_mode) && depth < DEPTH_MAX) {
			AUTO_CLOSE int below = files_open_dir(dir, entry->d_name);

			if (below >= 0)
				size += size_below(below, device, depth + 1, files_left);
		}
	}
	return size;
}

uint64_t files_size(int dir, int *files_left)
{
	struct stat status;

	return fstat(dir, &status) != 0 ? 0
					: size_below(dir, status.st_dev, 0, files_left);
}
