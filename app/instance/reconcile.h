/*
 * The one module that moves the world: it compares the record (what should be) with the
 * engine (what is) and does what is missing. With the instance's lock held; any thread.
 */
#ifndef PGBERTH_INSTANCE_RECONCILE_H
#define PGBERTH_INSTANCE_RECONCILE_H

#include "instance/bring_up.h"

/*
 * On success the world is as the record of the attempt's view wants it, and the view names
 * the container ("": none). On failure a server that was to run has no container.
 * Errors: as bring_up_start(); ERR_FOREIGN_DATA when a foreign container has the name.
 */
bool reconcile(struct attempt *attempt, struct error *err);

/* Its two halves, for who decides in between what should be. Observing removes further
 * containers of the instance's. */
bool reconcile_observe(const struct record *record, struct container *ret,
		       struct error *err);
bool reconcile_observed(struct attempt *attempt, const struct container *container,
			struct error *err);

#endif
