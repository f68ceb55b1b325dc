/* Gives an instance's files from one uid to another, while no server runs on them. */
#ifndef PGBERTH_STORE_MOVE_H
#define PGBERTH_STORE_MOVE_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"

/* Checks that its files can be given to another uid. Its disk is mounted. Errors:
 * ERR_FOREIGN_DATA naming the entry that forbids it. */
bool store_move_can(const struct record *record, struct error *err);

/*
 * Gives all files of record->uid_was to record->uid, and syncs them. A record with both,
 * saved before, makes store_load() take the directory for this instance however far that
 * came; another call finishes it. Its disk is mounted afterwards.
 */
bool store_move(const struct record *record, struct error *err);

#endif
