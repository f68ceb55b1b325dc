/* Socket and pid file of a server. They are its tenant's, so what they say is a hint. */
#ifndef PGBERTH_STORE_SERVER_FILES_H
#define PGBERTH_STORE_SERVER_FILES_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"

/* The socket directory, opened and checked to be the tenant's own. -1 with err. */
int store_open_run(const struct record *record, struct error *err);

/* The server's socket in it, to be connected to through /proc/self/fd. -1 with errno:
 * ELOOP or ENOTSOCK when something else is in its place. */
int store_open_socket(int run_dir);

/* True when the server's postmaster.pid says that it accepts connections. */
bool store_says_ready(const struct record *record);

/*
 * Removes what a killed server left: its pid and socket files. Their pids are of another
 * PID namespace, so PostgreSQL might take one of its own processes for the other server.
 * Only while no container of the instance runs: pgberth is the lock.
 */
void store_clear_stale(const struct record *record);

#endif
