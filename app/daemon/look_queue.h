/*
 * A few threads that look at instances when told to, and again later where a look did
 * not settle it, with growing pauses. Each name is in the queue at most once.
 */
#ifndef PGBERTH_DAEMON_LOOK_QUEUE_H
#define PGBERTH_DAEMON_LOOK_QUEUE_H

#include <stdbool.h>

#include "base/error.h"

/* Main thread, once; instances must be loaded. */
bool look_queue_start(struct error *err);

/* Asks for a look at an instance; out_of_memory: one of its processes was killed for lack
 * of memory. All: strays too. Any thread; blocks only for memory. */
void look_queue_poke(const char *name, bool out_of_memory);
void look_queue_poke_all(void);

/* Waits for looks under way to end. Main thread. */
void look_queue_stop(void);

#endif
