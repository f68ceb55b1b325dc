/* Workers: threads that serve the FastCGI socket. */
#ifndef PGBERTH_DAEMON_WORKERS_H
#define PGBERTH_DAEMON_WORKERS_H

#include <stdbool.h>

#include "base/error.h"

/*
 * Binds the socket, or takes over the one that a supervisor holds (*ret_inherited).
 * Connections wait in it until workers_start(). Main thread.
 */
bool workers_open(bool *ret_inherited, struct error *err);

/* Starts the workers. Main thread. */
bool workers_start(struct error *err);

/* Stops taking requests and waits for those under way. Main thread. */
void workers_stop(void);

#endif
