/*
 * File systems in sparse files, which bound the space and the inodes of a tenant. They
 * are XFS, which grows while mounted with CAP_SYS_ADMIN alone (ext4 needs
 * CAP_SYS_RESOURCE), and which the kernel never mounts twice by two loop devices, since
 * it knows its UUID. Mounts are made where the engine and its containers see them. Paths
 * are absolute, and no part of them belongs to a tenant. Only the mount holds its loop
 * device. Errors: ERR_FOREIGN_DATA when the image is missing or damaged, ERR_NO_SPACE,
 * ERR_INTERNAL. Any thread, one at a time for one image.
 */
#ifndef PGBERTH_STORE_QUOTA_DISK_H
#define PGBERTH_STORE_QUOTA_DISK_H

#include <stdbool.h>

#include "base/error.h"

/* Checks that pgberthd has the programs, devices and rights for quotas. Errors:
 * ERR_INVALID, naming disk_mb and what to do. */
bool quota_disk_can(struct error *err);

/* Makes an empty file system in a new file that is open for writing. */
bool quota_disk_format(int file, int size_mb, struct error *err);

/* Gives a copy an identity of its own, since it could not be mounted beside the original.
 * Not while it is mounted. */
bool quota_disk_renew(int file, struct error *err);

/* Mounts the file at place, a directory, if it is not mounted yet, and grows the file
 * system to size_mb (never less than its file). */
bool quota_disk_mount(const char *path, const char *place, int size_mb,
		      struct error *err);

/* Unmounts, and waits a few seconds for the end of other mounts of the file; fine if
 * nothing is mounted. Open files keep the file system alive until closed. */
bool quota_disk_unmount(const char *path, const char *place, struct error *err);

enum quota_disk_health {
	QUOTA_DISK_UP,
	QUOTA_DISK_SMALL,   /* mounted, and smaller than size_mb */
	QUOTA_DISK_AWAY,    /* not mounted, as far as this process sees */
	QUOTA_DISK_STOPPED, /* stopped by itself after an error of the disk below */
};

/* State of the disk at that name below a directory. Cheap. */
enum quota_disk_health quota_disk_look(int parent, const char *name, int size_mb);

#endif
