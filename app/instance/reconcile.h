/*
 * Makes the engine what the record says it should be; no other module does. Callers hold
 * the instance's lock; any thread.
 */
#ifndef PGBERTH_INSTANCE_RECONCILE_H
#define PGBERTH_INSTANCE_RECONCILE_H

#include "instance/bring_up.h"

/*
 * On success the engine is as the record of the attempt's view wants it, and the view
 * names the container ("": none). On failure a server that was to run has no container.
 * Errors: those of bring_up_start(); ERR_FOREIGN_DATA when a foreign container has the
 * name.
 */
bool reconcile(struct attempt *attempt, struct error *err);

/* Its two halves, for a caller that decides in between what should be. Observing removes
 * further containers of the instance. */
bool reconcile_observe(const struct record *record, struct container *ret,
		       struct error *err);
bool reconcile_observed(struct attempt *attempt, const struct container *container,
			struct error *err);

#endif
