/*
 * A file system of its own in a sparse file: what bounds the space and the inodes of whoever
 * owns what is in it. It is XFS, which grows while it is mounted with CAP_SYS_ADMIN alone
 * (ext4 wants CAP_SYS_RESOURCE), and which the kernel never mounts twice by two loop
 * devices, since it knows its UUID.
 *
 * Mounts are made in the engine's mount namespace, whose containers are to see them: that of
 * who listens at its socket (process 1, where systemd does). pgberthd may have another one,
 * which must then get what is mounted there. Paths are absolute, and no part of them is a
 * tenant's. The loop devices go by themselves when nothing is mounted
 * on them any more (LO_FLAGS_AUTOCLEAR): also when pgberthd is killed at any step.
 *
 * Errors: ERR_FOREIGN_DATA when the image is missing or damaged, ERR_NO_SPACE,
 * ERR_INTERNAL. Any thread, one at a time for one image.
 */
#ifndef PGBERTH_IMAGE_H
#define PGBERTH_IMAGE_H

#include <stdbool.h>

#include "error.h"

/* Main thread, once: the path of the engine's socket, borrowed. */
void image_init(const char *path);

/* Whether this process may do all that here, and has what it takes. Errors: ERR_INVALID,
 * naming disk_mb. */
bool image_can(struct error *err);

/* An empty file system in a new file that is open for writing. */
bool image_format(int file, int size_mb, struct error *err);

/* Makes it another file system than the one that it is a copy of, which could not be mounted
 * beside it. Not while it is mounted. */
bool image_renew(int file, struct error *err);

/* Mounts it at place, a directory, where it is not mounted yet, and grows the file system
 * (never less than its file) to size_mb where it is smaller. */
bool image_mount(const char *path, const char *place, int size_mb, struct error *err);

/* Fine where nothing is mounted. What is still open in it keeps it alive until closed. */
bool image_unmount(const char *place, struct error *err);

enum image_health {
	IMAGE_UP,
	IMAGE_SMALL,   /* mounted, and smaller than size_mb */
	IMAGE_AWAY,    /* not mounted, as far as this process sees */
	IMAGE_STOPPED, /* it stopped itself after an error of the disk below */
};

/* What is at that name below a directory. Cheap. */
enum image_health image_look(int parent, const char *name, int size_mb);

#endif
