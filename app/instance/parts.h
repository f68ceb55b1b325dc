/* Shared parts of the calls, for instance/ only. Callers hold the instance's lock unless
 * noted. */
#ifndef PGBERTH_INSTANCE_PARTS_H
#define PGBERTH_INSTANCE_PARTS_H

#include "base/error.h"
#include "instance/index.h"
#include "instance/reconcile.h"
#include "model/locks.h"
#include "model/spec.h"

#define INSTANCE_LOCK_WAIT_MS 30000

/* Takes the lock of an existing instance; NULL with err. Errors: ERR_FOREIGN_DATA when a
 * foreign directory has that name. */
struct lock *instance_hold(const char *name, struct view *ret, struct error *err);

/* Checks that a view can be worked with. Errors: those of instance_hold(). */
bool instance_is_sound(const struct view *view, struct error *err);

/* Shows a foreign directory and the reason; its uids stay taken. */
bool instance_show_foreign(const char *name, const char *why);

/* Puts the view into the index, with this state. */
bool instance_show(struct view *view, enum state state, struct error *err);

/* Hands a view to the caller of the domain. */
bool instance_give(struct view *ret, struct view *view);

/* Checks that a given disk_mb is possible. Errors: ERR_INVALID naming it. */
bool instance_can_grow(const struct record *record, const struct spec *spec,
		       struct error *err);

/* Fails with ERR_ALREADY_EXISTS, naming the field. */
bool instance_differs(const struct record *record, const char *field, struct error *err);

/*
 * Removes an instance that was never acknowledged, with all that was made for it. False
 * when a part remains: then it stays in the index, to be looked at again.
 */
bool instance_create_undo(struct view *view);

/* True for such an instance: its create was refused or cut off, and is not undone yet. */
bool instance_is_refused(const struct view *view);

/* Undoes a refused create before its name is used again. Errors: ERR_ENGINE. */
bool instance_undo_refused(struct view *view, struct error *err);

/* True when a time of the instance has come. */
typedef bool instance_is_due(const struct view *view, long long now);

/* Deletes an instance, and purges it if told to or if its record says so, provided that
 * is_due(view, now) is still true under its lock (taken here). Errors: ERR_NOT_FOUND when
 * it is not. */
bool instance_delete_if(const char *name, instance_is_due *is_due, long long now,
			bool purge, struct view *ret, struct error *err);

/*
 * Makes the server run, proven, at a port that it has claimed; record and index say so. A
 * failure undoes the claim; the caller undoes the rest.
 */
bool instance_come_up(struct attempt *attempt, struct error *err);

/*
 * Brings up an existing instance as its record now says. A failure restores the old state
 * (`was`), but a server that cannot run is FAILED.
 */
bool instance_bring_back(struct attempt *attempt, const struct view *was,
			 struct error *err);

/* Asks the engine whether the server runs at its port. Errors: ERR_ENGINE. */
bool instance_runs(const struct view *view, bool *ret_runs, struct error *err);

/* Looks whether its disk is full, and shows it. */
void instance_disk_look(struct view *view);

/* Takes the server down as the record wants it, or undoes that. expires_at: for an
 * instance that is stored then. */
bool instance_bring_down(struct view *view, enum wanted wanted, long long expires_at,
			 struct error *err);

#endif
