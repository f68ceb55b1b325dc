/* Between instance.c, instance_look.c and instance_load.c. With the instance's lock held. */
#ifndef PGBERTH_INSTANCE_PARTS_H
#define PGBERTH_INSTANCE_PARTS_H

#include "error.h"
#include "index.h"
#include "port_claim.h"
#include "reconcile.h"

/* What a try to bring a server up is about. */
struct bringing {
	struct view *view; /* its record says what should be; state and id are kept */
	int had;	   /* port that it had a claim on before, 0: none */
	struct work work;
	struct port_claim claim;
	bool is_ready;	 /* the claim is made and the record saved already */
	bool is_touched; /* out: it went further than claiming a port */
};

/* Puts the view into the index, in this state. */
bool instance_show(struct view *view, enum state state, struct error *err);

/*
 * An instance that was never acknowledged goes, and all that was made for it. False when
 * something could not be removed: then it stays in the index, to be looked at again.
 */
bool instance_create_undo(struct view *view);

/*
 * An instance that exists comes up with what the record now says. On failure all is as
 * it was (a view of that is `was`), but for a server that cannot run: that is FAILED.
 */
bool instance_bring_back(struct bringing *bringing, const struct view *was,
			 struct error *err);

#endif
