/*
 * Reports events of containers as soon as the engine does. A thread reads the engine's
 * stream, opens it again when it ends, and pings the engine to know whether it answers.
 * Events may be lost, so they are only hints.
 */
#ifndef PGBERTH_ENGINE_EVENTS_H
#define PGBERTH_ENGINE_EVENTS_H

#include <stdbool.h>

#include "base/error.h"
#include "engine/container.h"

/* Functions called by the events thread, which must not wait in them. */
struct engine_listener {
	void (*on_event)(const struct container_event *event);

	/* Events may have been missed: the stream begins, the engine answers again, or
	 * half a minute has passed. */
	void (*on_gap)(void);
};

/* Main thread. listener is borrowed until engine_events_stop(). */
bool engine_events_start(const struct engine_listener *listener, struct error *err);
void engine_events_stop(void);

/* True when the engine answers, as far as the stream knows. Any thread, without a
 * call. */
bool engine_is_up(void);

/* Why it does not, as of the last try. */
void engine_why_away(struct error *ret);

#endif
