/*
 * Proofs that a server is the instance's and lets people in. With the instance's lock
 * held; any thread.
 */
#ifndef PGBERTH_INSTANCE_PROVE_H
#define PGBERTH_INSTANCE_PROVE_H

#include "base/error.h"
#include "instance/attempt.h"

/*
 * By a login with the password where there is one, else by socket and SCRAM request.
 * Lets clients in where they are not yet. Errors: ERR_SERVER, ERR_STARTING, ERR_ENGINE.
 */
bool prove(const struct attempt *attempt, struct error *err);

/* The same; settings of the role that keep even the right password out are reset: only
 * then, since they may be somebody's work. */
bool prove_or_reset(const struct attempt *attempt, struct error *err);

/* Sets the verifier on a running server and proves the password by a login; one that
 * cannot be proven is undone, so that the old one holds. */
bool prove_new_password(const struct attempt *attempt, struct error *err);

#endif
