/*
 * Disks of instances with a quota (disk_mb): pg.img, mounted at pg/ unless the instance
 * is stored. Without a quota these functions do nothing. Errors: ERR_FOREIGN_DATA when
 * the image is missing or damaged.
 */
#ifndef PGBERTH_STORE_DISK_H
#define PGBERTH_STORE_DISK_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"

bool store_disk_can(
	struct error
		*err); /* Errors: ERR_INVALID (field disk_mb) when this host cannot */

/*
 * Mounts the disk if it is not mounted, and grows it to the record's disk_mb. A disk that
 * stopped itself after an error of the disk below is mounted again, which heals it, if no
 * container of the instance runs (is_idle); else it is left as it is.
 */
bool store_disk_up(const struct record *record, bool is_idle, struct error *err);
bool store_disk_down(const struct record *record, struct error *err);
bool store_disk_has_stopped(const struct record *record);

/*
 * The size that the disk has been grown to, which cannot shrink: at least the record's.
 */
int store_disk_mb(const struct record *record);

/* Whose disk is too full for a server to live on, its own (disk_mb) or the host's. Cheap;
 * takes no lock. */
enum fullness { HAS_ROOM, OWN_DISK_FULL, HOST_DISK_FULL };
extern const char *const fullness_names[];
enum fullness store_disk_fullness(const struct record *record);

/* For store/ alone: makes and mounts the disk; returns its pg/, opened; -1 with err. */
int store_image_make(const struct record *record, struct error *err);

/* For store/ alone: gives the unmounted disk of a copy an identity of its own. */
bool store_image_renew(const struct record *record, struct error *err);

#endif
