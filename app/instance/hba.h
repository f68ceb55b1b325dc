/*
 * Who is let in by TCP: what the record says becomes what the server goes by. With the
 * instance's lock held; any thread.
 */
#ifndef PGBERTH_INSTANCE_HBA_H
#define PGBERTH_INSTANCE_HBA_H

#include "base/error.h"
#include "model/config.h"
#include "model/record.h"
#include "pg/pg.h"

#define HBA_HEAR_TIMEOUT_MS 2000

/* Main thread, once. */
void hba_init(const struct config *cfg);

/* Who may connect by TCP: whom the record allows, and the host itself. ERR_ENGINE. */
bool hba_clients(const struct record *record, struct networks *ret, struct error *err);

/* The files, for a server that does not run yet: shut to all but pgberth, or open. */
bool hba_prepare(const struct record *record, bool is_shut, struct error *err);

/* Lets those in, from now on, and ends the connections of others; PG_OK when the running
 * server is known to have read it. The host's certificate is renewed, too. */
enum pg_outcome hba_open(const struct record *record, struct error *err);

/* The same after a change; where no server runs the next one will read it. Errors:
 * ERR_SERVER, ERR_STARTING: the server lets pgberth in no more, or not yet; ERR_ENGINE. */
bool hba_change(const struct record *record, bool runs, struct error *err);

/* Its port asks for SCRAM. */
bool hba_is_open(const struct record *record);

#endif
