/* A call on its way from the router through its handler to its answer. */
#ifndef PGBERTH_DAEMON_CALL_H
#define PGBERTH_DAEMON_CALL_H

#include "daemon/auth.h"
#include "daemon/http.h"
#include "model/spec.h"
#include "store/trash.h"

struct route;

struct call {
	const struct route *route; /* NULL: the path is none of ours */
	struct request *req;
	struct response *res;
	struct caller caller;
	char storage_dir[NAME_SIZE]; /* from the path; "" where it has none */
	char trash_id[TRASH_ID_SIZE];
	struct spec query, spec; /* from the query, from the body; owned by the router */
	bool is_audited;	 /* the log has been told of it (call_audit.h) */
	int begun;		 /* its note for the next start (audit_begun.h) */
};

#endif
