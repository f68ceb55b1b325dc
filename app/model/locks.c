/* Named locks are in a list, which is short: each is held or awaited by a request. */
#include "model/locks.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "model/record.h"

struct lock {
	struct lock *next;
	char name[NAME_SIZE];
	int users; /* holder and waiters */
	bool taken;
	pthread_cond_t freed;
};

static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct lock *list; /* guarded by list_lock, as are all members of its locks */

static struct lock *lock_find(const char *name)
{
	struct lock *lock = list;

	while (lock && strcmp(lock->name, name) != 0)
		lock = lock->next;
	return lock;
}

static struct lock *lock_new(const char *name)
{
	struct lock *lock = calloc(1, sizeof(*lock));
	if (!lock)
		return NULL;
	snprintf(lock->name, sizeof(lock->name), "%s", name);
	pthread_cond_init(&lock->freed, NULL);
	lock->next = list;
	list = lock;
	return lock;
}

static void lock_leave(struct lock *lock)
{
	struct lock **at = &list;

	if (--lock->users > 0)
		return;
	while (*at != lock)
		at = &(*at)->next;
	*at = lock->next;
	pthread_cond_destroy(&lock->freed);
	free(lock);
}

static bool lock_wait(struct lock *lock, int timeout_ms)
{
	long long deadline_ms = deadline_in_ms(timeout_ms);

	while (lock->taken)
		if (!deadline_cond_wait(&lock->freed, &list_lock, deadline_ms))
			return !lock->taken;
	return true;
}

struct lock *lock_get(const char *name, int timeout_ms, struct error *err)
{
	struct lock *lock;

	pthread_mutex_lock(&list_lock);
	lock = lock_find(name);
	if (!lock)
		lock = lock_new(name);
	if (!lock) {
		fail(err, ERR_INTERNAL, "out of memory");
	} else {
		lock->users++;
		if (lock_wait(lock, timeout_ms)) {
			lock->taken = true;
		} else {
			lock_leave(lock);
			lock = NULL;
			fail(err, ERR_BUSY, "another request is at work on %s", name);
		}
	}
	pthread_mutex_unlock(&list_lock);
	return lock;
}

void lock_put(struct lock *lock)
{
	if (!lock)
		return;
	pthread_mutex_lock(&list_lock);
	lock->taken = false;
	pthread_cond_signal(&lock->freed);
	lock_leave(lock);
	pthread_mutex_unlock(&list_lock);
}
