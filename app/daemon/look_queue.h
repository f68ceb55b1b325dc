/*
 * A few threads that look at instances when told to, and again later where a look did
 * not settle it, with growing pauses. Each name is in the queue at most once.
 */
#ifndef PGBERTH_DAEMON_LOOK_QUEUE_H
#define PGBERTH_DAEMON_LOOK_QUEUE_H

#include <stdbool.h>

#include "base/error.h"
#include "engine/container.h"

/* Main thread, once; instances must be loaded. */
bool look_queue_start(struct error *err);

/* Asks for a look at an instance, which is told of the event (NULL: there was none). All:
 * strays too. Any thread; blocks only for memory. */
void look_queue_poke(const char *name, const struct container_event *event);
void look_queue_poke_all(void);

/* Time of the next look at an instance, which tries again what failed: seconds since 1970,
 * 0: none is planned. Any thread. */
long long look_queue_next(const char *name);

/* Waits for looks under way to end. Main thread. */
void look_queue_stop(void);

#endif
