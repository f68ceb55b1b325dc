/*
 * Outside hands: what somebody did to a container through the engine. With the
 * instance's lock held; any thread.
 */
#ifndef PGBERTH_INSTANCE_OUTSIDE_HANDS_H
#define PGBERTH_INSTANCE_OUTSIDE_HANDS_H

#include "base/error.h"
#include "instance/index.h"
#include "model/config.h"

void outside_hands_init(const struct config *cfg);

/*
 * Asks the engine about an instance that should run. When somebody has stopped, killed
 * or removed its container, the record says so from then on (unless heal is on), on
 * disk, in the index and in *view. Errors: ERR_ENGINE, ERR_NO_SPACE.
 */
bool outside_hands_notice(struct view *view, struct error *err);

/* True when the engine has given the container up by somebody's order, not by a crash,
 * and that is to be respected: heal is off. */
bool outside_hands_stopped(const struct container *container);

#endif
