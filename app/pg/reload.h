/* Has a running server read its configuration files again. Callers hold the instance's
 * lock; any thread. */
#ifndef PGBERTH_PG_RELOAD_H
#define PGBERTH_PG_RELOAD_H

#include "base/error.h"
#include "model/networks.h"
#include "model/record.h"
#include "pg/outcome.h"

/* Tells the server to read its configuration files again. */
enum pg_outcome reload_run(const struct record *record, long long deadline_ms,
			   struct error *err);

/*
 * Makes the server read its configuration files again and waits until they apply to new
 * connections. Then ends TCP connections that come from none of the clients, or without
 * TLS if the record requires it.
 */
enum pg_outcome reload_admit(const struct record *record, const struct networks *clients,
			     long long deadline_ms, struct error *err);

#endif
