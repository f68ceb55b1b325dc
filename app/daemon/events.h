/*
 * The engine's event stream, as hints only: it may drop and be cut. Each line about one
 * of our containers pokes the reconciler; each new connection, and a slow timer, poke
 * it about all.
 */
#ifndef PGBERTH_DAEMON_EVENTS_H
#define PGBERTH_DAEMON_EVENTS_H

#include <stdbool.h>

#include "base/error.h"

/* Main thread. */
bool events_start(struct error *err);
void events_stop(void);

/* Whether the engine answers, as the stream knows it. Any thread, at no cost. */
bool events_engine_is_up(void);

#endif
