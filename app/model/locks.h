/* One lock per instance's name, made when first wanted and gone with its last user. */
#ifndef PGBERTH_MODEL_LOCKS_H
#define PGBERTH_MODEL_LOCKS_H

#include <stdbool.h>

#include "base/error.h"

struct lock;

/*
 * Waits at most timeout_ms. NULL with ERR_BUSY when it is still taken, or ERR_INTERNAL.
 * Waiters are served one at a time, in no promised order. Any thread.
 */
struct lock *lock_get(const char *name, int timeout_ms, struct error *err);

/* Leaves the lock; NULL is fine. */
void lock_put(struct lock *lock);

static inline void lock_put_auto(struct lock **lock)
{
	lock_put(*lock);
}

#define AUTO_LOCK __attribute__((cleanup(lock_put_auto))) struct lock

#endif
