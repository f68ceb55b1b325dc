/* Between pg.c and pg_probe.c. */
#ifndef PGBERTH_PG_PROBE_H
#define PGBERTH_PG_PROBE_H

#include "pg.h"

/* As pg_asks_for_scram(), which knows address and user. */
enum pg_outcome pg_probe(const char *address, int port, const char *user,
			 long long deadline_ms, struct error *err);

#endif
