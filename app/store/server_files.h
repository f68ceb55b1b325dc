/* Socket and pid file of a server belong to its tenant, so their content is a hint. */
#ifndef PGBERTH_STORE_SERVER_FILES_H
#define PGBERTH_STORE_SERVER_FILES_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"

/* Opens the socket directory and checks that it belongs to the tenant. -1 with err. */
int store_open_run(const struct record *record, struct error *err);

/* Opens the server's socket in it, for a connection through /proc/self/fd. -1 with errno:
 * ELOOP or ENOTSOCK when something else is in its place. */
int store_open_socket(int run_dir);

/* True when postmaster.pid says that the server accepts connections. */
bool store_says_ready(const struct record *record);

/* False when a server that runs on the directory has not come so far as to write
 * postmaster.pid: from then on it hears a signal to stop. */
bool store_has_begun(const struct record *record);

/*
 * Removes pid and socket files of a killed server. Their pids are of another PID
 * namespace, so PostgreSQL might take one of its own processes for the other server. Only
 * while no container of the instance runs: pgberth is the lock.
 */
void store_clear_stale(const struct record *record);

#endif
