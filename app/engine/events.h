/*
 * What happens to containers, as soon as the engine tells of it. Its stream may drop
 * events and be cut, so they are hints only; a thread here reads it, opens it again when
 * it ends, and knows by pings whether the engine answers at all.
 */
#ifndef PGBERTH_ENGINE_EVENTS_H
#define PGBERTH_ENGINE_EVENTS_H

#include <stdbool.h>

#include "base/error.h"
#include "engine/container.h"

/* Called by the thread here, which must not be kept waiting. */
struct engine_listener {
	void (*on_event)(const struct container_event *event);

	/* Anything may have happened to any of them: the stream begins, the engine
	 * answers again, or half a minute has passed. */
	void (*on_gap)(void);
};

/* Main thread. listener is borrowed until engine_events_stop(). */
bool engine_events_start(const struct engine_listener *listener, struct error *err);
void engine_events_stop(void);

/* Whether the engine answers, as the stream knows it. Any thread, at no cost. */
bool engine_is_up(void);

#endif
