/* Decides who may call, and what a caller may see. Any thread but for auth_init(). */
#ifndef PGBERTH_DAEMON_AUTH_H
#define PGBERTH_DAEMON_AUTH_H

#include "daemon/http.h"
#include "model/caller.h"

/* Main thread, at start. Errors: ERR_INVALID when `listen` has an address beyond loopback
 * and no token is configured. */
bool auth_init(struct error *err);

/* Main thread, once root is open: from now on the log is told of changes to tokens. */
void auth_watch(void);

/* Reads the tokens again if their file has changed. */
void auth_refresh(void);

/*
 * Admits a caller. If tokens are configured, the request needs one (a changed file is
 * read again). Else it must come from a loopback address, to a loopback Host, and not
 * from a web page of another origin. Errors: ERR_UNAUTHORIZED, the same whatever is wrong
 * with the token; ERR_TOO_MANY_FAILURES instead, after many failures from one address,
 * but never for a valid token; ERR_TOKENS; without tokens ERR_FORBIDDEN.
 */
bool auth_check(const struct request *req, struct caller *ret, struct error *err);

#endif
