/* The FastCGI socket and the threads that serve it. */
#ifndef PGBERTH_SERVER_H
#define PGBERTH_SERVER_H

#include "config.h"
#include "error.h"

/* Binds the socket (or takes systemd's) and starts the workers. Main thread. */
bool server_start(const struct config *cfg, struct error *err);

/* No new request is taken; waits for those under way. Main thread. */
void server_stop(void);

#endif
