/* Disks are looked at by statvfs(2), without a lock, and the index is told what differs. */
#include "daemon/disk_watch.h"

#include <pthread.h>

#include "base/deadline.h"
#include "daemon/look_queue.h"
#include "instance/instance.h"

#define TICK_MS 2000

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_stopping; /* held under lock */
} watch = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* Waits for the next tick; false when it is time to stop. */
static bool tick_wait(void)
{
	long long due_ms = deadline_in_ms(TICK_MS);
	bool stopping;

	pthread_mutex_lock(&watch.lock);
	if (!watch.is_stopping)
		deadline_cond_wait(&watch.changed, &watch.lock, due_ms);
	stopping = watch.is_stopping;
	pthread_mutex_unlock(&watch.lock);
	return !stopping;
}

/* With room again, a look clears what the record says of a full disk. */
static void room_again(const char *name)
{
	look_queue_poke(name, NULL);
}

static void *watch_run(void *user)
{
	(void)user;
	do
		instance_disks_look(room_again);
	while (tick_wait());
	return NULL;
}

bool disk_watch_start(struct error *err)
{
	return pthread_create(&watch.thread, NULL, watch_run, NULL) == 0 ||
	       fail(err, ERR_INTERNAL, "cannot start the thread that watches disks");
}

void disk_watch_stop(void)
{
	pthread_mutex_lock(&watch.lock);
	watch.is_stopping = true;
	pthread_cond_signal(&watch.changed);
	pthread_mutex_unlock(&watch.lock);
	pthread_join(watch.thread, NULL);
}
