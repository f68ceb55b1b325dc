/* Who may call, and what. Any thread but for auth_init(). */
#ifndef PGBERTH_DAEMON_AUTH_H
#define PGBERTH_DAEMON_AUTH_H

#include "daemon/http.h"
#include "model/config.h"
#include "model/token.h"

/* Who calls. Without tokens that is this machine, which may do all. */
struct caller {
	char name[NAME_SIZE]; /* its token's; "": none */
	bool is_known;
	enum token_scope scope;
	char prefix[NAME_SIZE];
};

/* Main thread, at start. Errors: ERR_INVALID when `listen` is more than loopback and no
 * token is configured. */
bool auth_init(const struct config *cfg, struct error *err);

/*
 * By a token, where some are configured; the file is read anew when it has changed. Else
 * from a loopback address, to a loopback Host, and not from a web page of another origin.
 * Errors: ERR_UNAUTHORIZED, the same whatever is wrong; ERR_TOO_MANY_FAILURES instead,
 * after many from one address, which a right token never meets; ERR_TOKENS; without
 * tokens ERR_FORBIDDEN.
 */
bool auth_check(const struct request *req, struct caller *ret, struct error *err);

/* Whether instances of that name (or trash of that id) exist for the caller at all. */
bool caller_sees(const struct caller *caller, const char *storage_dir);

#endif
