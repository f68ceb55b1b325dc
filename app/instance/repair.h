/* Single-user mode for a server whose admin role nobody can log in to. With the
 * instance's lock held; any thread. */
#ifndef PGBERTH_INSTANCE_REPAIR_H
#define PGBERTH_INSTANCE_REPAIR_H

#include "base/error.h"
#include "instance/attempt.h"
#include "store/template.h"

/* Gives the role the verifier, in a container without network that is removed again.
 * There must be none of the instance's. Errors: ERR_SERVER, ERR_ENGINE. */
bool repair_role(struct attempt *attempt, const struct template *template,
		 struct error *err);

#endif
