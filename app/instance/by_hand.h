/*
 * Changes that somebody made to a container through the engine, behind pgberth's back.
 * Callers hold the instance's lock; any thread.
 */
#ifndef PGBERTH_INSTANCE_BY_HAND_H
#define PGBERTH_INSTANCE_BY_HAND_H

#include "base/error.h"
#include "instance/index.h"

/*
 * Asks the engine about an instance that should run. When somebody has stopped, killed
 * or removed its container, the record says so from then on (unless heal is on), on
 * disk, in the index and in *view. Errors: ERR_ENGINE, ERR_NO_SPACE.
 */
bool by_hand_notice(struct view *view, struct error *err);

/* The same for one that was stopped in this way, when its container is removed as well. */
bool by_hand_notice_removal(struct view *view, const struct container *container,
			    struct error *err);

/* True when the engine has given the container up by somebody's order, not by a crash,
 * and that is to be respected: heal is off, and pgberthd saw the server run. */
bool by_hand_is_stopped(const struct view *view, const struct container *container);

/*
 * True when somebody started the container that pgberth had stopped. A server whose stop
 * was cut off never ended, the engine counts the restarts that are its own, and what a
 * refused start left is another container.
 */
bool by_hand_is_started(const struct view *view, const struct container *container);

#endif
