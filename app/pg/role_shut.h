/* Whose settings keep the admin role out of a server that answers. Callers hold the
 * instance's lock; any thread. */
#ifndef PGBERTH_PG_ROLE_SHUT_H
#define PGBERTH_PG_ROLE_SHUT_H

#include "base/error.h"
#include "model/record.h"

enum role_shut {
	SHUT_BY_NOTHING, /* it can log in, or there is no room, or nothing is certain */
	SHUT_BY_SERVER,	 /* by settings of the server (ALTER SYSTEM) */
	SHUT_BY_ROLE, /* by attributes or settings of role or database, or a login trigger */
};

/* Tries logins over the socket, and changes nothing. err is filled for SHUT_BY_ROLE: it has
 * the server's words and what to do. */
enum role_shut role_shut_by(const struct record *record, struct error *err);

#endif
