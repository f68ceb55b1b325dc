/*
 * A file system of its own in a sparse file: what bounds the space and the inodes of
 * whoever owns what is in it. It is XFS, which grows while it is mounted with
 * CAP_SYS_ADMIN alone (ext4 wants CAP_SYS_RESOURCE), and which the kernel never mounts
 * twice by two loop devices, since it knows its UUID.
 *
 * Mounts are made where the engine sees them, whose containers are to see them, too.
 * Paths are absolute, and no part of them is a tenant's. What is mounted holds its loop
 * device, and nothing else does.
 *
 * Errors: ERR_FOREIGN_DATA when the image is missing or damaged, ERR_NO_SPACE,
 * ERR_INTERNAL. Any thread, one at a time for one image.
 */
#ifndef PGBERTH_STORE_QUOTA_DISK_H
#define PGBERTH_STORE_QUOTA_DISK_H

#include <stdbool.h>

#include "base/error.h"

/* Whether this process may do all that here, and has what it takes. Errors: ERR_INVALID,
 * naming disk_mb. */
bool quota_disk_can(struct error *err);

/* An empty file system in a new file that is open for writing. */
bool quota_disk_format(int file, int size_mb, struct error *err);

/* Makes it another file system than the one that it is a copy of, which could not be
 * mounted beside it. Not while it is mounted. */
bool quota_disk_renew(int file, struct error *err);

/* Mounts it at place, a directory, where it is not mounted yet, and grows the file system
 * (never less than its file) to size_mb where it is smaller. */
bool quota_disk_mount(const char *path, const char *place, int size_mb,
		      struct error *err);

/* Fine where nothing is mounted. What is still open in it keeps it alive until closed. */
bool quota_disk_unmount(const char *place, struct error *err);

enum quota_disk_health {
	QUOTA_DISK_UP,
	QUOTA_DISK_SMALL,   /* mounted, and smaller than size_mb */
	QUOTA_DISK_AWAY,    /* not mounted, as far as this process sees */
	QUOTA_DISK_STOPPED, /* it stopped itself after an error of the disk below */
};

/* What is at that name below a directory. Cheap. */
enum quota_disk_health quota_disk_look(int parent, const char *name, int size_mb);

#endif
