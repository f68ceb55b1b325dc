/*
 * How many changing calls may be under way: `changes` in all, and of those that one token
 * begins seven eighths (at least one), so that the others find room whatever it waits for.
 * Any thread.
 */
#ifndef PGBERTH_DAEMON_CHANGE_SLOTS_H
#define PGBERTH_DAEMON_CHANGE_SLOTS_H

#include <stdbool.h>

#include "base/error.h"

/* Main thread, before the workers. Errors: ERR_INTERNAL. */
bool change_slots_init(int changes, struct error *err);

/*
 * A place for a change by that token, to be given back with change_slots_give(*ret_place); "":
 * there are no tokens, and no shares. Errors: ERR_TOO_MANY, at once.
 */
bool change_slots_take(const char *token, int *ret_place, struct error *err);
void change_slots_give(int place);

#endif
