/* Repairs a server whose admin role cannot log in, by single-user mode. Callers hold the
 * instance's lock; any thread. */
#ifndef PGBERTH_INSTANCE_REPAIR_H
#define PGBERTH_INSTANCE_REPAIR_H

#include "base/error.h"
#include "instance/attempt.h"
#include "store/template.h"

/* Gives the role the verifier, in a container without network that is removed again. The
 * instance must have no container. Errors: ERR_SERVER, ERR_ENGINE. */
bool repair_role(struct attempt *attempt, const struct template *template,
		 struct error *err);

#endif
