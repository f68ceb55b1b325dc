/*
 * Starts the server of an instance: container, socket, role, proof. Callers hold the
 * instance's lock; any thread.
 */
#ifndef PGBERTH_INSTANCE_BRING_UP_H
#define PGBERTH_INSTANCE_BRING_UP_H

#include "base/error.h"
#include "engine/engine.h"
#include "instance/attempt.h"
#include "model/record.h"

/*
 * Makes the container, starts it and proves the server. The instance must have no
 * container. A failure removes it again. Errors: ERR_PORT_IN_USE, ERR_ENGINE, ERR_SERVER
 * with the last line of the server's log, ERR_FOREIGN_DATA, ERR_NO_SPACE.
 */
bool bring_up_start(struct attempt *attempt, struct error *err);

/* Runs store_check(), and checks that no process of the tenant's that could be a server
 * on the directory is left. Errors: ERR_FOREIGN_DATA. */
bool bring_up_check(const struct attempt *attempt, struct error *err);

#endif
