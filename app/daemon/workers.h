/* The FastCGI socket and the threads that serve it. */
#ifndef PGBERTH_DAEMON_WORKERS_H
#define PGBERTH_DAEMON_WORKERS_H

#include <stdbool.h>

#include "base/error.h"
#include "model/config.h"

/*
 * Binds the socket, or takes the one that a supervisor holds for us: *ret_inherited tells
 * which. What connects waits until workers_start(). Main thread.
 */
bool workers_open(const struct config *cfg, bool *ret_inherited, struct error *err);

/* Starts the workers. Main thread. */
bool workers_start(struct error *err);

/* No new request is taken; waits for those under way. Main thread. */
void workers_stop(void);

#endif
