/*
 * The calls on instances. Each takes the instance's lock (ERR_BUSY after 30 s), asks the
 * engine, writes what should be, reconciles, and undoes its work on failure. Passwords
 * are borrowed and never kept. Any thread. Errors of all: ERR_NOT_FOUND, ERR_BUSY,
 * ERR_ENGINE, ERR_SERVER, ERR_NO_SPACE, and those listed at each.
 */
#ifndef PGBERTH_INSTANCE_H
#define PGBERTH_INSTANCE_H

#include <stdbool.h>

#include "base/error.h"
#include "instance/index.h"
#include "model/spec.h"
#include "store/trash.h"

/*
 * Makes the server of spec->storage_dir, brings it back, or finds it running as asked
 * for. Errors: ERR_ALREADY_EXISTS with the field that differs, ERR_PORT_IN_USE,
 * ERR_FOREIGN_DATA, ERR_NO_FREE_PORT, ERR_IMAGE_MISSING.
 */
bool instance_create(const struct spec *spec, struct view *ret, struct error *err);

/* Changes the fields that are given; *ret_restarted tells whether the server restarted for
 * it. Errors: ERR_PORT_IN_USE. */
bool instance_change(const char *name, const struct spec *spec, struct view *ret,
		     bool *ret_restarted, struct error *err);

/*
 * Makes a stopped instance of a foreign directory, under the directory's name, with its
 * own uid and port if these are free (its reason says so). An instance is returned as it
 * is. Errors: ERR_FOREIGN_DATA, with nothing changed.
 */
bool instance_adopt(const char *name, struct view *ret, bool *ret_adopted,
		    struct error *err);

/* Errors: ERR_PORT_IN_USE, ERR_NO_FREE_PORT, ERR_ALREADY_EXISTS when it runs at another
 * port. */
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

/* Appends the last lines of the log: the engine's few, then the server's. Takes no
 * lock. */
bool instance_logs(const char *name, int tail, struct buf *log, struct error *err);

/* Appends the certificate that the server presents, in PEM. Takes no lock. Errors:
 * ERR_FOREIGN_DATA when the directory has none. */
bool instance_certificate(const char *name, struct buf *ret, struct error *err);

/*
 * Purges instances that have not been wanted running for that many days and whose names
 * begin with prefix, or only finds them. begins() is told of each before it is purged,
 * each() of each that was purged or found (err NULL), and of each that could not be
 * purged: then the others are all the same. Fails only if none could be looked for.
 */
typedef void instance_purging(const char *name, void *user);
typedef void instance_purged(const char *name, const struct error *err, void *user);
bool instance_purge_stopped(int days, const char *prefix, bool is_dry,
			    instance_purging *begins, instance_purged *each, void *user,
			    struct error *err);

/* List the trash in an array that the caller frees; restore an entry, as stored (errors:
 * ERR_ALREADY_EXISTS, ERR_FOREIGN_DATA); remove an entry for good. */
bool instance_trash_list(struct trash_entry **ret, size_t *ret_count, struct error *err);
bool instance_trash_restore(const char *id, struct view *ret, struct error *err);
bool instance_trash_remove(const char *id, struct error *err);

/* Time until which an entry can be restored, in seconds since 1970. */
long long instance_trash_until(const struct trash_entry *entry);

/* Looks whether the disks of servers that should run are full, and shows it; calls
 * room_again() for those that were and are not any more. One thread at a time. */
void instance_disks_look(void (*room_again)(const char *name));

/* True when the time of an instance is over; now: seconds since 1970. */
bool instance_is_expired(const struct view *view, long long now);

/* Deletes an instance whose time is over; true when there is none of that name any more.
 * It may wait for the server as long as a DELETE. */
bool instance_expire(const char *name);

/* Removes old trash entries. */
void instance_trash_sweep(void);

/* Reads all records into the index and claims their ports. Main thread, at start. */
bool instance_load(struct error *err);

/* True when all records are read. Any thread. */
bool instance_is_loaded(void);

/* Results of a look, which decide when to look again. */
enum look_outcome {
	LOOK_SETTLED, /* the instance is as its record says, or nothing can be done about it */
	LOOK_UNSETTLED, /* it is changing, or could not be looked at */
	LOOK_SHUT,	/* it runs, and admits nobody now: look again soon */
	LOOK_SILENT,	/* it runs, but its port does not answer */
	LOOK_FAILED,	/* it could not be made as its record says; err says why */
};

struct look_hints {
	bool out_of_memory; /* the engine reported a process of it killed for lack of memory */
	int exit_code; /* with which the engine saw it end; EXIT_UNKNOWN: it did not */
	bool is_early; /* a try has just failed, and the next one must wait */
	int silent;    /* looks in a row before this one that found it LOOK_SILENT */
};

/*
 * Looks whether the engine has the instance as its record says: heals it, respects
 * changes by hand, finishes work that a crash cut off. A server that has not run since
 * pgberthd started is brought back, whoever stopped it.
 */
enum look_outcome instance_look(const char *name, const struct look_hints *hints,
				struct error *err);

/* The same for strays: containers without a record are removed, directories without one
 * are shown as failed. */
bool instance_look_for_strays(void);

#endif
