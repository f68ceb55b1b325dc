/*
 * Proves that a server is the instance's and admits clients. Callers hold the instance's
 * lock; any thread.
 */
#ifndef PGBERTH_INSTANCE_PROVE_H
#define PGBERTH_INSTANCE_PROVE_H

#include "base/error.h"
#include "instance/attempt.h"

/*
 * Proves by a login with the password if one is given, else by socket and SCRAM request.
 * Opens the server to clients if it is not open yet. Errors: ERR_SERVER, ERR_STARTING,
 * ERR_ENGINE.
 */
bool prove(const struct attempt *attempt, struct error *err);

/* The same; resets settings of the role that refuse the right password, but only then,
 * since they may be the tenant's. */
bool prove_or_reset(const struct attempt *attempt, struct error *err);

/* Sets the verifier on a running server and proves the password by a login; a password
 * that cannot be proven is undone, so that the old one holds. */
bool prove_new_password(const struct attempt *attempt, struct error *err);

#endif
