/*
 * Keeps count of taken uids: one for each instance and spare, and those of held
 * directories, which are trash entries and foreign directories. A held directory may take
 * two uids, or one that another has too. No uid is given away while a directory here has
 * it.
 */
#ifndef PGBERTH_STORE_UID_H
#define PGBERTH_STORE_UID_H

#include <stdbool.h>

#include "base/error.h"

/* Takes a uid that no instance, trash entry or foreign directory has. Errors:
 * ERR_NO_SPACE. */
bool store_uid_take(int *ret_uid, struct error *err);
void store_uid_release(int uid);

/* The rest is for store/ alone. Call this first, in the main thread. */
bool store_uid_init(struct error *err);

/* Adds a taker; counts takers; tells whether a uid is in the range. */
void store_uid_mark(int uid);
int store_uid_takers(int uid);
bool store_uid_is_ours(int uid);

/* Keeps the uids of a directory's record and pg/ taken as long as it is held. Holding it
 * again reads both again. True when its record can be read. */
bool store_hold(int parent, const char *name);
void store_hold_end(int parent, const char *name);
bool store_is_held(int parent, const char *name);

/* Takes `first` once more, or another uid held for the directory, if it is in the range
 * and no other directory's; else a new one. Errors: ERR_NO_SPACE. */
bool store_hold_uid(int parent, const char *name, int first, int *ret_uid,
		    struct error *err);

#endif
