/*
 * Limits the changing calls under way: `changes` in all, and for one token seven eighths
 * (at least one) of what the other tokens leave, so that the next one finds room whatever
 * their calls wait for.
 * Any thread.
 */
#ifndef PGBERTH_DAEMON_CHANGE_SLOTS_H
#define PGBERTH_DAEMON_CHANGE_SLOTS_H

#include <stdbool.h>

#include "base/error.h"

/* Main thread, before the workers. Errors: ERR_INTERNAL. */
bool change_slots_init(int changes, struct error *err);

/*
 * Takes a place for a change by a token (its id), to be given back by
 * change_slots_give(*ret_place); "": tokens are not used, nor shares. Errors:
 * ERR_TOO_MANY, at once.
 */
bool change_slots_take(const char *token, int *ret_place, struct error *err);
void change_slots_give(int place);

#endif
