/*
 * Findings of a look that the owner of a server wants to know: each becomes the record's
 * reason and a line of the log. With the instance's lock held; any thread.
 */
#ifndef PGBERTH_INSTANCE_LOOK_TELL_H
#define PGBERTH_INSTANCE_LOOK_TELL_H

#include "engine/engine.h"
#include "instance/index.h"
#include "pg/outcome.h"

/* The server ended by itself, and the engine starts it again, or has done so (which the
 * container tells), with the exit code that was seen. */
void look_tell_crash(struct view *view, const struct container *container, int exit_code);

/* Somebody restarted its container through the engine. */
void look_tell_restart(struct view *view, const struct container *container);

/*
 * The server ran, and now only says that it recovers: PostgreSQL restarts its processes
 * without end where they find a full disk, say, and its container does not end by that.
 */
void look_tell_recovery(struct view *view, const struct container *container,
			int exit_code);

/* A process of the server's was killed for want of memory. */
void look_tell_oom(struct view *view);

/* A user of the host may use its uid too, and so become it: until its next start. */
void look_tell_exposure(struct view *view);

/* The port of the server answers, and this is how. True when the reason has changed. */
bool look_tell_admission(struct view *view, enum pg_outcome outcome, const char *why);

/* Its container is paused. */
void look_tell_pause(struct view *view);

#endif
