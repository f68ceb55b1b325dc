/*
 * Who is let in by TCP: what the record says becomes what the server goes by. With the
 * instance's lock held; any thread.
 */
#ifndef PGBERTH_ADMIT_H
#define PGBERTH_ADMIT_H

#include "config.h"
#include "error.h"
#include "pg.h"
#include "record.h"

#define ADMIT_HEAR_TIMEOUT_MS 2000

/* Main thread, once. */
void admit_init(const struct config *cfg);

/* Who may connect by TCP: whom the record allows, and the host itself. ERR_ENGINE. */
bool admit_clients(const struct record *record, struct allow *ret, struct error *err);

/* The files, for a server that does not run yet: shut to all but pgberth, or open. */
bool admit_prepare(const struct record *record, bool is_shut, struct error *err);

/* Lets those in, from now on, and ends the connections of others; PG_OK when the running
 * server is known to have read it. The host's certificate is renewed, too. */
enum pg_outcome admit_open(const struct record *record, struct error *err);

/* The same after a change; where no server runs the next one will read it. Errors:
 * ERR_SERVER, ERR_STARTING: the server lets pgberth in no more, or not yet; ERR_ENGINE. */
bool admit_change(const struct record *record, bool runs, struct error *err);

/* Its port asks for SCRAM. */
bool admit_is_open(const struct record *record);

#endif
