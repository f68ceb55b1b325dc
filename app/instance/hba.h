/*
 * Makes the server admit the TCP clients that the record allows. Callers hold the
 * instance's lock; any thread.
 */
#ifndef PGBERTH_INSTANCE_HBA_H
#define PGBERTH_INSTANCE_HBA_H

#include "base/error.h"
#include "model/record.h"
#include "pg/pg.h"

#define HBA_PROBE_MS 2000

/* Clients that may connect by TCP: the record's and the host itself. Errors: ERR_ENGINE. */
bool hba_clients(const struct record *record, struct networks *ret, struct error *err);

/* Writes the files of a server that does not run: open, or shut to all but pgberth. */
bool hba_prepare(const struct record *record, bool is_shut, struct error *err);

/* Admits the clients to a running server and ends connections of others; PG_OK when the
 * server is known to have read it. Renews the host's certificate too. */
enum pg_outcome hba_open(const struct record *record, struct error *err);

/* The same after a change of the record; a server that does not run reads it at its next
 * start. Errors: ERR_SERVER, ERR_STARTING when the server does not admit pgberth any
 * more, or not yet; ERR_ENGINE. */
bool hba_change(const struct record *record, bool runs, struct error *err);

/* How its port answers: PG_OK when it asks for SCRAM, PG_FULL, with err, when it would if
 * it had room. A cheap proof that it lets people in, and err where it does not. */
enum pg_outcome hba_probe(const struct record *record, int timeout_ms, struct error *err);

#endif
