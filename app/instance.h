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

#include "config.h"
#include "error.h"
#include "index.h"
#include "spec.h"

/* Main thread, once. */
void instance_init(const struct config *cfg);

/*
 * Makes the server of spec->storage_dir, brings it back, or finds it as asked for.
 * Errors: ERR_ALREADY_EXISTS with the field that differs, ERR_PORT_IN_USE,
 * ERR_FOREIGN_DATA, ERR_NO_FREE_PORT, ERR_IMAGE_MISSING.
 */
bool instance_create(const struct spec *spec, struct view *ret, struct error *err);

/* Port (restarts: *ret_restarted), limits and labels. Errors: ERR_PORT_IN_USE. */
bool instance_change(const char *name, const struct spec *spec, struct view *ret,
		     bool *ret_restarted, struct error *err);

/* Errors: ERR_PORT_IN_USE, ERR_NO_FREE_PORT, ERR_ALREADY_EXISTS: runs at another port. */
bool instance_start(const char *name, const struct spec *spec, struct view *ret,
		    struct error *err);
bool instance_stop(const char *name, struct view *ret, struct error *err);
bool instance_restart(const char *name, struct view *ret, struct error *err);

/* Removes the container and frees the port; purge also moves the storage to the trash. */
bool instance_delete(const char *name, bool purge, struct view *ret, struct error *err);

/* Errors: ERR_NOT_RUNNING. */
bool instance_set_password(const char *name, const char *password, struct view *ret,
			   struct error *err);

/* Appends the last lines: the engine's few, then the server's own. Takes no lock. */
bool instance_logs(const char *name, int tail, struct buf *log, struct error *err);

/* Reads all records into the index and claims their ports. Main thread, at start. */
bool instance_load(struct error *err);

/* Whether all records are read. Any thread. */
bool instance_is_loaded(void);

/*
 * Looks whether the engine still has the instance as its record says: heals, respects
 * what was done by hand, undoes a create that a crash left. What has not run since
 * pgberthd started is brought back, whoever stopped it. False: look again later.
 */
bool instance_look(const char *name);

#endif
