/*
 * Keeps count of taken uids: those of instances and spares, and those of held
 * directories, which are trash entries and foreign directories. A held directory may take
 * several uids, or one that another has too. No uid is given away while a directory here
 * has it, nor one that belongs to somebody else on this host. An instance may have a uid
 * outside of the range, from a time when that was another: its next start changes it.
 */
#ifndef PGBERTH_STORE_UID_H
#define PGBERTH_STORE_UID_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"

/* Takes a uid of the range that no instance, trash entry or foreign directory has, and no
 * user or group of the host. May wait for the name service. Errors: ERR_NO_SPACE. */
bool store_uid_take(int *ret_uid, struct error *err);
void store_uid_release(int uid);

/* Gives up an instance's uids: that of its record, and the one that it had. */
void store_uid_release_record(const struct record *record);

/* True in the configured range, and where any server may have been (UID_LEAST to
 * UID_MOST). */
bool store_uid_is_in_range(int uid);
bool store_uid_is_possible(int uid);

/* True for a uid outside of the range, or one that a user of the host was given since it
 * was taken: the instance is to get another. */
bool store_uid_must_move(int uid);

/* Number of instances, spares and held directories with that uid. */
int store_uid_takers(int uid);

/* The rest is for store/ alone. Call this first, in the main thread. */
bool store_uid_init(struct error *err);

/* Adds a taker, of a uid or of all that a record has. */
void store_uid_mark(int uid);
void store_uid_mark_record(const struct record *record);

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
