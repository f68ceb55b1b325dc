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
bool prove(struct attempt *attempt, struct error *err);

/* The same; resets what keeps out a role whose password is right, where that is proven to
 * be the cause, since it is the tenant's work. The attempt's note tells it. */
bool prove_or_reset(struct attempt *attempt, struct error *err);

/* Sets the attempt's verifier; its note tells what else had to be mended for that. Errors:
 * those of role_settle(). */
bool verifier_settle(struct attempt *attempt, long long deadline_ms, struct error *err);

/* Sets the verifier on a running server and proves the password by a login; a password
 * that cannot be proven is undone, so that the old one holds. */
bool prove_new_password(struct attempt *attempt, struct error *err);

#endif
