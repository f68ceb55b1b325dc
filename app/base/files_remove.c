/* Removes and measures trees whose content a hostile tenant may have made. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/files_walk.h"
#include "base/scope.h"

#define DEPTH_MAX 64

/* A removal. Directories deeper than DEPTH_MAX are moved up to `top`, under numbered
 * names, and removed from there, so that descriptors and stack stay bounded. Directories
 * that somebody swaps during the removal are moved there too. */
struct removal {
	int top;
	const char *name; /* prefix of the numbered names */
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
		return errno == ENOENT ||
		       fail_errno(err, "cannot move %s to remove it", name);
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

/* The directory has been swapped for something else since it was found, for a link say.
 * In `top`, where only pgberthd writes, nobody can swap it again. */
static bool swapped_away(struct removal *removal, int dir, const char *name,
			 struct error *err)
{
	return errno == ENOENT ||
	       ((errno == ELOOP || errno == ENOTDIR) && move_up(removal, dir, name, err));
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
		return swapped_away(removal, dir, name, err) ||
		       fail_errno(err, "cannot open %s to remove it", name);
	if (status.st_dev != removal->device)
		return fail(err, ERR_INTERNAL, "%s is a mount", name);
	if (!remove_entries(removal, fd, depth + 1, err))
		return false;
	return unlinkat(dir, name, AT_REMOVEDIR) == 0 ||
	       swapped_away(removal, dir, name, err) ||
	       fail_errno(err, "cannot remove directory %s", name);
}

bool files_remove_tree(int dir, const char *name, struct error *err)
{
	struct removal removal = { .top = dir, .name = name };
	struct stat status;
	char moved[200];

	if (fstat(dir, &status) != 0)
		return fail_errno(err, "cannot read the status of a directory");
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

struct measuring {
	struct usage usage;
	dev_t device;
	int files_max;
};

static void measure_below(struct measuring *measuring, int dir, int depth)
{
	struct usage *usage = &measuring->usage;
	AUTO_DIR *stream = files_stream(dir);
	const struct dirent *entry;
	struct stat status;

	while (stream && (entry = files_next(stream))) {
		if (usage->files == measuring->files_max) {
			usage->is_more = true;
			return;
		}
		usage->files++;
		if (fstatat(dir, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
		    status.st_dev != measuring->device)
			continue;
		usage->bytes += (uint64_t)status.st_blocks * 512;
		if (S_ISDIR(status.st_mode) && depth == DEPTH_MAX) {
			usage->is_more = true;
		} else if (S_ISDIR(status.st_mode)) {
			AUTO_CLOSE int below = files_open_dir(dir, entry->d_name);

			if (below >= 0)
				measure_below(measuring, below, depth + 1);
		}
	}
}

struct usage files_usage(int dir, int files_max)
{
	struct measuring measuring = { .files_max = files_max };
	struct stat status;

	if (fstat(dir, &status) == 0) {
		measuring.device = status.st_dev;
		measure_below(&measuring, dir, 0);
	}
	return measuring.usage;
}
