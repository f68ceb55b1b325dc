/*
 * One server's way up from nothing: container, socket, role, proof. With the instance's
 * lock held; any thread.
 */
#ifndef PGBERTH_INSTANCE_BRING_UP_H
#define PGBERTH_INSTANCE_BRING_UP_H

#include "base/error.h"
#include "engine/engine.h"
#include "instance/attempt.h"
#include "model/record.h"
#include "pg/diagnosis.h"

/*
 * Makes the container, starts it and proves the server. There must be none of its name.
 * On failure the container is removed again. Errors: ERR_PORT_IN_USE, ERR_ENGINE,
 * ERR_SERVER with the last word of the server's log, ERR_FOREIGN_DATA, ERR_NO_SPACE.
 */
bool bring_up_start(struct attempt *attempt, struct error *err);

/* Why the container's server is down, or went down last. */
void bring_up_trouble(char ret[DIAGNOSIS_SIZE], const struct container *container,
		      const struct record *record);

/* What store_check() says, and that no process of the tenant's is left that could be a
 * server on the directory. Errors: ERR_FOREIGN_DATA. */
bool bring_up_check(const struct attempt *attempt, struct error *err);

#endif
