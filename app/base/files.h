/*
 * Files and trees below a directory descriptor. No function here follows a symbolic link
 * or leaves the directory that it was given. Any thread.
 */
#ifndef PGBERTH_BASE_FILES_H
#define PGBERTH_BASE_FILES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/usage.h"

/* openat2(2) beneath dir; a symbolic link anywhere in path fails; O_CLOEXEC is added. */
int files_open(int dir, const char *path, int flags, mode_t mode);
int files_open_dir(int dir, const char *path);

/* The same; a mount anywhere in path fails too (EXDEV). */
int files_open_here(int dir, const char *path, int flags);

/* Makes a directory with this owner and mode, whatever the umask. EEXIST is an error. */
bool files_make_dir(int dir, const char *name, int uid, int gid, mode_t mode,
		    struct error *err);

/* Replaces a file atomically: writes name.tmp, syncs, renames it to name, syncs dir. */
bool files_replace(int dir, const char *name, const char *data, size_t length, int uid,
		   int gid, mode_t mode, struct error *err);

/* Appends the content of a regular file of at most max bytes to ret. */
bool files_read(int dir, const char *name, size_t max, struct buf *ret,
		struct error *err);

/* Copies the tree at from (a directory) into to (an empty one). The copy belongs to uid,
 * files have mode 0600, directories 0700. Only regular files and directories are
 * expected. */
bool files_copy_tree(int from, int to, int uid, struct error *err);

/* fsyncs every file and directory of the tree. */
bool files_sync_tree(int dir, struct error *err);

/* Removes dir/name and all below it, however deep, without leaving its device. A missing
 * name is no error. Only pgberth may write to dir, since deep directories are moved up
 * into it before they are removed. */
bool files_remove_tree(int dir, const char *name, struct error *err);

/* New owner of a tree, and the mode of its files (0: unchanged). */
struct files_owner {
	int uid, gid;
	mode_t file_mode;
};

/*
 * Gives all entries below dir to owner (of a symbolic link the link itself, not its
 * target); files_can_own() only checks whether that is possible. Errors: ERR_FOREIGN_DATA
 * naming the entry that forbids it: a file with several hard links, a device, a mount, or
 * directories nested deeper than depth_max (0: any directory).
 */
#define FILES_DEPTH_MAX 64
bool files_can_own(int dir, int depth_max, struct error *err);
bool files_own(int dir, const struct files_owner *owner, int depth_max,
	       struct error *err);

/*
 * Gives all entries below dir that belong to user or group `from` to `to`, whatever else
 * the tenant has put there: a file under several names, a symbolic link (not its target).
 * Entries of others, and devices, are left as they are. A second call finishes what one
 * that was cut off has begun. files_can_move() only checks whether it is possible.
 * Errors: ERR_FOREIGN_DATA naming a mount, or a directory nested deeper than
 * FILES_DEPTH_MAX.
 */
bool files_can_move(int dir, struct error *err);
bool files_move(int dir, int from, int to, struct error *err);

/* Size of the tree at dir, without other devices; counts at most files_max files. */
struct usage files_usage(int dir, int files_max);

#endif
