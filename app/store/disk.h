/*
 * The disk of an instance with a quota (disk_mb): pg.img, mounted at pg/ unless the
 * instance is stored. Without a quota all these do nothing. Errors: ERR_FOREIGN_DATA:
 * its image is missing or damaged.
 */
#ifndef PGBERTH_STORE_DISK_H
#define PGBERTH_STORE_DISK_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"

bool store_disk_can(struct error *err); /* ERR_INVALID naming disk_mb: not here */

/*
 * Mounts it where it is not, and grows it where the record's disk_mb is more. One that
 * stopped itself, after an error of the disk below, is mounted anew if no container of
 * the instance is there (is_idle), which heals it; else it is left.
 */
bool store_disk_up(const struct record *record, bool is_idle, struct error *err);
bool store_disk_down(const struct record *record, struct error *err);
bool store_disk_has_stopped(const struct record *record);

/*
 * What it has been grown to already, which cannot be undone: no less than the record's.
 */
int store_disk_mb(const struct record *record);

/* So full that a server cannot live on it. */
bool store_disk_is_full(const struct record *record);

/* For store/ alone: makes it, and mounts it: its pg/, opened; -1 with err. */
int store_image_make(const struct record *record, struct error *err);

/* For store/ alone: the disk of a copy, which is not mounted, becomes another one than
 * the original's. */
bool store_image_renew(const struct record *record, struct error *err);

#endif
