/*
 * Finds what a tenant set that keeps the admin role out although its password is right,
 * by logins without one setting after another, and resets that alone: all else is
 * somebody's work. Callers hold the instance's lock; any thread.
 */
#ifndef PGBERTH_INSTANCE_SHUT_OUT_H
#define PGBERTH_INSTANCE_SHUT_OUT_H

#include <stddef.h>

#include "instance/attempt.h"

/* True when something was reset, which the log and the attempt's note tell. */
bool shut_out_mend(struct attempt *attempt);

#endif
