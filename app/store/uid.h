/*
 * Uids that are taken: by instances and spares, one each, and by directories that are
 * held: what is in the trash, and what is none of the instances (foreign). Such a one
 * may name two, or one that somebody else has. No uid is given away while anything here
 * names it.
 */
#ifndef PGBERTH_STORE_UID_H
#define PGBERTH_STORE_UID_H

#include <stdbool.h>

#include "base/error.h"

/* A uid that nobody has: no instance, nothing in the trash, no foreign directory. Errors:
 * ERR_NO_SPACE. */
bool store_uid_take(int *ret_uid, struct error *err);
void store_uid_release(int uid);

/* The rest is for store/ alone. Before all else, in the main thread. */
bool store_uid_init(struct error *err);

/* One more has it; how many have; whether it is in the range. */
void store_uid_mark(int uid);
int store_uid_takers(int uid);
bool store_uid_is_ours(int uid);

/* Takes the uids that the record and the pg/ of a directory name, as long as it is held.
 * Holding it again looks at it anew. True when it has a record that can be read. */
bool store_hold(int parent, const char *name);
void store_hold_end(int parent, const char *name);
bool store_is_held(int parent, const char *name);

/* Takes `first` once more, if that or another one of those that are held for the
 * directory is in the range and nobody else's, else a new one. Errors: ERR_NO_SPACE. */
bool store_hold_uid(int parent, const char *name, int first, int *ret_uid,
		    struct error *err);

#endif
