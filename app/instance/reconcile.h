/*
 * The one function that moves the world: compares the record (what should be) with the
 * engine (what is) and does what is missing. With the instance's lock held; any thread.
 */
#ifndef PGBERTH_INSTANCE_RECONCILE_H
#define PGBERTH_INSTANCE_RECONCILE_H

#include "instance/bring_up.h"

struct work {
	struct start start; /* its record says what should be */
	bool replace;	    /* make the container anew even if it fits */
};

/*
 * On success the world is as the record wants it and work->start.container_id names the
 * container ("": none). On failure a server that was to run has no container.
 * Errors: as bring_up_start(); ERR_FOREIGN_DATA when a foreign container has the name.
 */
bool reconcile(struct work *work, struct error *err);

#endif
