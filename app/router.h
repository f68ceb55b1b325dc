/* One table says which call goes where: method, path, fields, parameters, handler. */
#ifndef PGBERTH_ROUTER_H
#define PGBERTH_ROUTER_H

#include <stdbool.h>

#include "http.h"
#include "spec.h"

/* A call on its way through its handler. */
struct call {
	const struct request *req;
	struct response *res;
	char storage_dir[NAME_SIZE]; /* from the path; "" where it has none */
	json_t *query;		     /* object of strings; owned by the router */
	struct spec spec;	     /* from the body; owned by the router */
};

struct route {
	const char *method;
	const char *path; /* segments; {storage_dir} stands for a name */
	bool (*handler)(struct call *call, struct error *err);
	const struct field
		*fields; /* that the body may hold; NULL: the call has no body */
	bool body_required;
	bool changes;	    /* counts against the budget of changing calls */
	const char *params; /* names of query parameters, each between two spaces */
};

/* The route of a method and path. Errors: ERR_NOT_FOUND, ERR_METHOD (ret_allow filled). */
const struct route *route_find(const struct request *req, char *ret_storage_dir,
			       char *ret_allow, size_t allow_size, struct error *err);

/* Reads query and body of the call by its route's tables, then runs its handler. */
bool route_run(const struct route *route, struct call *call, struct error *err);

#endif
