/*
 * Files and trees below a directory descriptor. Nothing here follows a symbolic link
 * or leaves the directory it was given. For store and its parts only. Any thread.
 */
#ifndef PGBERTH_BASE_FILES_H
#define PGBERTH_BASE_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/usage.h"

/* openat2(2) beneath dir, no links on the way or at the end; O_CLOEXEC is added. */
int files_open(int dir, const char *path, int flags, mode_t mode);
int files_open_dir(int dir, const char *path);

/* The same, and no mount on the way or at the end (EXDEV). */
int files_open_here(int dir, const char *path, int flags);

/* mkdirat, owner and mode set whatever the umask. EEXIST is an error. */
bool files_make_dir(int dir, const char *name, int uid, int gid, mode_t mode,
		    struct error *err);

/* Writes name.tmp, syncs, renames it to name, syncs dir. */
bool files_replace(int dir, const char *name, const char *data, size_t length, int uid,
		   int gid, mode_t mode, struct error *err);

/* Appends a whole regular file of at most max bytes. */
bool files_read(int dir, const char *name, size_t max, struct buf *ret,
		struct error *err);

/* Copies the tree at from (a directory) into to (an empty one); all becomes uid's, files
 * 0600, directories 0700. Only regular files and directories are expected. */
bool files_copy_tree(int from, int to, int uid, struct error *err);

/* fsyncs every file and directory of the tree. */
bool files_sync_tree(int dir, struct error *err);

/* Removes dir/name and all below it, however deep, staying on its device. Missing is
 * fine. dir is nobody's but ours: what is nested deep is moved up there on the way. */
bool files_remove_tree(int dir, const char *name, struct error *err);

/* Who what is below a directory is to belong to, and the mode of its files (0: as it is). */
struct files_owner {
	int uid, gid;
	mode_t file_mode;
};

/*
 * Gives all that is below dir away, links themselves and not where they lead; or only looks
 * whether that can be done. Errors: ERR_FOREIGN_DATA naming what is in the way: a file that
 * has a name elsewhere perhaps, a device, a mount, directories nested deeper than depth_max
 * (0: any directory).
 */
#define FILES_DEPTH_MAX 64
bool files_can_own(int dir, int depth_max, struct error *err);
bool files_own(int dir, const struct files_owner *owner, int depth_max,
	       struct error *err);

/* As far as it is on one device; counts files_max at most. */
struct usage files_usage(int dir, int files_max);

#endif
