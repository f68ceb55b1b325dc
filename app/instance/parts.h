/* Between the instance_*.c files. With the instance's lock held, unless said. */
#ifndef PGBERTH_INSTANCE_PARTS_H
#define PGBERTH_INSTANCE_PARTS_H

#include "base/error.h"
#include "instance/index.h"
#include "instance/reconcile.h"
#include "model/locks.h"
#include "model/spec.h"

#define INSTANCE_LOCK_WAIT_MS 30000

/* Takes the lock of an existing instance; NULL with err. Errors: ERR_FOREIGN_DATA when
 * what has that name is none of ours. */
struct lock *instance_hold(const char *name, struct view *ret, struct error *err);

/* Whether a view can be worked with at all. Errors: as instance_hold(). */
bool instance_is_sound(const struct view *view, struct error *err);

/* Shows a directory that is no instance of ours, and why; its uids are taken. */
bool instance_show_foreign(const char *name, const char *why);

/* Puts the view into the index, in this state. */
bool instance_show(struct view *view, enum state state, struct error *err);

/* Hands a view to the caller of the domain. */
bool instance_give(struct view *ret, struct view *view);

/* Whether the disk_mb that is given, if one is, can be had. Errors: ERR_INVALID naming it. */
bool instance_can_grow(const struct record *record, const struct spec *spec,
		       struct error *err);

/* ERR_ALREADY_EXISTS, naming the field. */
bool instance_differs(const struct record *record, const char *field, struct error *err);

/*
 * An instance that was never acknowledged goes, and all that was made for it. False when
 * something could not be removed: then it stays in the index, to be looked at again.
 */
bool instance_create_undo(struct view *view);

/* Whether it is such a one: its create was refused or cut off, and not undone yet. */
bool instance_is_refused(const struct view *view);

/* Undoes it, before anything else is done with its name. Errors: ERR_ENGINE. */
bool instance_undo_refused(struct view *view, struct error *err);

/* Whether a time that matters to an instance has come. */
typedef bool instance_is_due(const struct view *view, long long now);

/* Deletes, and purges if so said or the record says so, what is_due(view, now) is still
 * true of under its lock (which this takes). Errors: ERR_NOT_FOUND: it is not. */
bool instance_delete_if(const char *name, instance_is_due *is_due, long long now,
			bool purge, struct view *ret, struct error *err);

/*
 * The server runs, proven, at a port that it has a claim on; record and index say so. On
 * failure the claim is undone, the rest is the caller's to undo.
 */
bool instance_come_up(struct attempt *attempt, struct error *err);

/*
 * An instance that exists comes up with what the record now says. On failure all is as
 * it was (a view of that is `was`), but for a server that cannot run: that is FAILED.
 */
bool instance_bring_back(struct attempt *attempt, const struct view *was,
			 struct error *err);

/* Whether its server runs, at its port, is for the engine to say. Errors: ERR_ENGINE. */
bool instance_runs(const struct view *view, bool *ret_runs, struct error *err);

/* The record wants the server down, in one way or the other; makes it so or undoes.
 * expires_at: of one that is stored then. */
bool instance_bring_down(struct view *view, enum wanted wanted, long long expires_at,
			 struct error *err);

#endif
