/* The FastCGI socket and the threads that serve it. */
#ifndef PGBERTH_SERVER_H
#define PGBERTH_SERVER_H

#include <stdbool.h>

#include "config.h"
#include "error.h"

/*
 * Binds the socket, or takes the one that a supervisor holds for us: *ret_inherited tells
 * which. What connects waits until server_start(). Main thread.
 */
bool server_open(const struct config *cfg, bool *ret_inherited, struct error *err);

/* Starts the workers. Main thread. */
bool server_start(struct error *err);

/* No new request is taken; waits for those under way. Main thread. */
void server_stop(void);

#endif
