/* Finds the route of a call in one table: method, path, fields of body and query,
 * handler. */
#ifndef PGBERTH_DAEMON_ROUTER_H
#define PGBERTH_DAEMON_ROUTER_H

#include <stdbool.h>

#include "daemon/call.h"

struct route {
	const char *method;
	const char *path; /* segments; {storage_dir} and {trash_id} stand for values */
	enum token_scope scope; /* scope that the call needs */
	bool (*handler)(struct call *call, struct error *err);
	unsigned body, query; /* calls whose fields they hold (field.h); 0: none */
	enum route_flag {
		BODY = 1 << 0,	 /* the body is required */
		SLOW = 1 << 1,	 /* the call may wait for the engine: it needs a place */
		ALWAYS = 1 << 2, /* the call is served before the records are read */
		OPEN = 1 << 3,	 /* the call needs no token */
	} flags;
	const char *action; /* of a call that changes something, for the log */
};

/* Finds the route of a call by method and path, and puts the path's values into it.
 * Errors: ERR_NOT_FOUND, ERR_METHOD (ret_allow filled). */
const struct route *route_find(struct call *call, char *ret_allow, size_t allow_size,
			       struct error *err);

/* Checks the caller's rights. Errors: ERR_FORBIDDEN when the token's scope does not
 * suffice; ERR_NOT_FOUND when the path names an instance that is not the caller's, as if
 * it did not exist. */
bool route_allows(const struct route *route, const struct call *call, struct error *err);

/* Reads query and body of the call by the table of fields. */
bool route_read(const struct route *route, struct call *call, struct error *err);

#endif
