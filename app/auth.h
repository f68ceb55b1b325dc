/* Who may call. Any thread. */
#ifndef PGBERTH_AUTH_H
#define PGBERTH_AUTH_H

#include "http.h"

/*
 * As long as no token is configured: from a loopback address, to a loopback Host, and
 * not from a web page of another origin. Errors: ERR_FORBIDDEN.
 */
bool auth_check(const struct request *req, struct error *err);

#endif
