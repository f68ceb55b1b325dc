/*
 * The domain: what one can do with an instance. Each call takes the instance's lock
 * (ERR_BUSY after 30 s), asks the engine, writes what should be, reconciles, and undoes
 * its doing when that fails. Passwords are borrowed and never kept. Any thread.
 *
 * Errors of all: ERR_NOT_FOUND, ERR_BUSY, ERR_ENGINE, ERR_SERVER, ERR_NO_SPACE and
 * those said at each.
 */
#ifndef PGBERTH_INSTANCE_H
#define PGBERTH_INSTANCE_H

#include <stdbool.h>

#include "base/error.h"
#include "instance/index.h"
#include "model/spec.h"
#include "store/trash.h"

/*
 * Makes the server of spec->storage_dir, brings it back, or finds it as asked for.
 * Errors: ERR_ALREADY_EXISTS with the field that differs, ERR_PORT_IN_USE,
 * ERR_FOREIGN_DATA, ERR_NO_FREE_PORT, ERR_IMAGE_MISSING.
 */
bool instance_create(const struct spec *spec, struct view *ret, struct error *err);

/* What is given; where the server has to restart for it, *ret_restarted. Errors:
 * ERR_PORT_IN_USE. */
bool instance_change(const char *name, const struct spec *spec, struct view *ret,
		     bool *ret_restarted, struct error *err);

/*
 * Makes an instance of a directory that is none: under the directory's name, with its own
 * uid and port where they can be had (its reason says what became of them), stopped. One
 * that is an instance already is given as it is. Errors: ERR_FOREIGN_DATA, nothing changed.
 */
bool instance_adopt(const char *name, struct view *ret, bool *ret_adopted,
		    struct error *err);

/* Errors: ERR_PORT_IN_USE, ERR_NO_FREE_PORT, ERR_ALREADY_EXISTS: runs at another port. */
bool instance_start(const char *name, const struct spec *spec, struct view *ret,
		    struct error *err);
bool instance_stop(const char *name, struct view *ret, struct error *err);
bool instance_restart(const char *name, struct view *ret, struct error *err);

/* Names of instances. */
struct names {
	char (*list)[NAME_SIZE];
	size_t count;
};
bool names_add(struct names *names, const char *name);
void names_done(struct names *names);
#define AUTO_NAMES __attribute__((cleanup(names_done))) struct names

/* Removes the container and frees the port; purge also moves the storage to the trash. */
bool instance_delete(const char *name, bool purge, struct view *ret, struct error *err);

/* Errors: ERR_NOT_RUNNING. */
bool instance_set_password(const char *name, const char *password, struct view *ret,
			   struct error *err);

/* Appends the last lines: the engine's few, then the server's own. Takes no lock. */
bool instance_logs(const char *name, int tail, struct buf *log, struct error *err);

/*
 * Purges what has not been meant to run for that many days and whose name begins with
 * prefix, or only finds it. *ret, to
 * be ended with names_done(), holds what was.
 */
bool instance_purge_stopped(int days, const char *prefix, bool is_dry, struct names *ret,
			    struct error *err);

/* The trash: what is in it, in an array to be freed; back from it, as stored (errors:
 * ERR_ALREADY_EXISTS, ERR_FOREIGN_DATA); away for good. */
bool instance_trash_list(struct trash_entry **ret, size_t *ret_count, struct error *err);
bool instance_trash_restore(const char *id, struct view *ret, struct error *err);
bool instance_trash_remove(const char *id, struct error *err);

/* Until when an entry can be restored, seconds since 1970. */
long long instance_trash_until(const struct trash_entry *entry);

/* For the keeper: deletes what has expired, false when something could not be; removes
 * from the trash what is too old. */
bool instance_expire_due(void);
void instance_trash_sweep(void);

/* Reads all records into the index and claims their ports. Main thread, at start. */
bool instance_load(struct error *err);

/* Whether all records are read. Any thread. */
bool instance_is_loaded(void);

/* How a look went: who calls for it goes by that when to look again. */
enum look_outcome {
	LOOK_SETTLED,	/* it is as its record says, or nothing can be done about it */
	LOOK_UNSETTLED, /* it is on its way, or could not be looked at */
	LOOK_SILENT,	/* it runs, and its port says nothing */
	LOOK_FAILED,	/* it could not be made as its record says; err says why */
};

struct look_hints {
	bool out_of_memory; /* the engine said that a process of it was killed for that */
	bool is_early;	    /* a try failed a moment ago; the next one has to wait */
	int silent;	    /* looks in a row that found it LOOK_SILENT before this one */
};

/*
 * Looks whether the engine still has the instance as its record says: heals, respects
 * what was done by hand, ends what a crash left half done. What has not run since pgberthd
 * started is brought back, whoever stopped it.
 */
enum look_outcome instance_look(const char *name, const struct look_hints *hints,
				struct error *err);

/* The same for what belongs to no instance: containers without a record go, directories
 * without one are shown as failed. */
bool instance_look_for_strays(void);

#endif
