/* Locks of instances by name, made on first use and freed with the last user. */
#ifndef PGBERTH_MODEL_LOCKS_H
#define PGBERTH_MODEL_LOCKS_H

#include <stdbool.h>

#include "base/error.h"

struct lock;

/*
 * Takes the lock of name, waiting at most timeout_ms. NULL with ERR_BUSY when another
 * thread still holds it, or ERR_INTERNAL. Waiters get it one at a time, in any order. Any
 * thread.
 */
struct lock *lock_get(const char *name, int timeout_ms, struct error *err);

/* Releases the lock; NULL is fine. */
void lock_put(struct lock *lock);

static inline void lock_put_auto(struct lock **lock)
{
	lock_put(*lock);
}

#define AUTO_LOCK __attribute__((cleanup(lock_put_auto))) struct lock

#endif
