/* One table says which call goes where: method, path, fields of body and query, handler. */
#ifndef PGBERTH_DAEMON_ROUTER_H
#define PGBERTH_DAEMON_ROUTER_H

#include <stdbool.h>

#include "daemon/call.h"

struct route {
	const char *method;
	const char *path; /* segments; {storage_dir} and {trash_id} stand for such */
	enum token_scope scope; /* that the call needs */
	bool (*handler)(struct call *call, struct error *err);
	unsigned body, query; /* whose fields they may hold (model/field.h); 0: none */
	enum route_flag {
		BODY = 1 << 0,	 /* is required */
		SLOW = 1 << 1,	 /* may wait for the engine: counts against the budget */
		ALWAYS = 1 << 2, /* is served before the records are read */
		OPEN = 1 << 3,	 /* where tokens are configured, it needs none */
	} flags;
};

/* The route of a call by method and path, which it takes apart. Errors: ERR_NOT_FOUND, ERR_METHOD (ret_allow filled). */
const struct route *route_find(struct call *call, char *ret_allow, size_t allow_size,
			       struct error *err);

/* Errors: ERR_FORBIDDEN, a token of less scope; ERR_NOT_FOUND, as if what the path names
 * were not there, when it is not the caller's. */
bool route_allows(const struct route *route, const struct call *call, struct error *err);

/* Reads query and body of the call by the table of fields, then runs its handler. */
bool route_run(const struct route *route, struct call *call, struct error *err);

#endif
