/* The queue of instances to look at: a list ordered by nothing, picked by when it is due. */
#include "daemon/look_queue.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/deadline.h"
#include "base/log.h"
#include "base/scope.h"
#include "instance/index.h"
#include "instance/instance.h"

#define THREADS 16
#define PAUSE_FIRST_MS 250
#define PAUSE_MAX_MS 60000
#define STRAYS "" /* the name of what belongs to no instance */

struct entry {
	struct entry *next;
	char name[NAME_SIZE];
	long long due_ms;
	int pause_ms; /* after the next look that settles nothing */
	bool out_of_memory;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct entry *entries; /* these two held under lock */
	bool is_stopping;
	pthread_t threads[THREADS];
	int started;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* Adds a name or makes it due earlier. Held: lock. */
static void queue_add(const char *name, bool out_of_memory, long long due_ms,
		      int pause_ms)
{
	struct entry *entry = queue.entries;

	while (entry && strcmp(entry->name, name) != 0)
		entry = entry->next;
	if (!entry) {
		entry = calloc(1, sizeof(*entry));
		if (!entry)
			return; /* the timer pokes all again */
		snprintf(entry->name, sizeof(entry->name), "%s", name);
		entry->due_ms = due_ms;
		entry->next = queue.entries;
		queue.entries = entry;
	}
	if (due_ms < entry->due_ms)
		entry->due_ms = due_ms;
	entry->pause_ms = pause_ms;
	entry->out_of_memory = entry->out_of_memory || out_of_memory;
	pthread_cond_signal(&queue.changed);
}

void look_queue_poke(const char *name, bool out_of_memory)
{
	pthread_mutex_lock(&queue.lock);
	queue_add(name, out_of_memory, now_ms(), PAUSE_FIRST_MS);
	pthread_mutex_unlock(&queue.lock);
}

static bool poke_one(const struct view *view, void *user)
{
	(void)user;
	look_queue_poke(view->record.storage_dir, false);
	return true;
}

void look_queue_poke_all(void)
{
	index_walk("", poke_one, NULL);
	look_queue_poke(STRAYS, false);
}

static struct entry **earliest(void)
{
	struct entry **found = &queue.entries;

	for (struct entry **at = &queue.entries; *at; at = &(*at)->next)
		if ((*at)->due_ms < (*found)->due_ms)
			found = at;
	return found;
}

/* Waits for the next due entry and takes it out; NULL when it is time to stop. */
static struct entry *queue_take(void)
{
	struct entry *entry = NULL;

	pthread_mutex_lock(&queue.lock);
	while (!queue.is_stopping && !entry) {
		struct entry **at = earliest();

		if (!*at) {
			pthread_cond_wait(&queue.changed, &queue.lock);
		} else if (!deadline_passed((*at)->due_ms)) {
			deadline_cond_wait(&queue.changed, &queue.lock, (*at)->due_ms);
		} else {
			entry = *at;
			*at = entry->next;
		}
	}
	pthread_mutex_unlock(&queue.lock);
	return entry;
}

static void look_again(const struct entry *entry)
{
	int pause_ms = entry->pause_ms;

	pthread_mutex_lock(&queue.lock);
	queue_add(entry->name, entry->out_of_memory, deadline_in_ms(pause_ms),
		  pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS);
	pthread_mutex_unlock(&queue.lock);
}

static void *reconciler_run(void *user)
{
	(void)user;
	for (;;) {
		AUTO_FREE struct entry *entry = queue_take();

		if (!entry)
			break;
		if (*entry->name ? !instance_look(entry->name, entry->out_of_memory)
				 : !instance_look_for_strays())
			look_again(entry);
	}
	return NULL;
}

bool look_queue_start(struct error *err)
{
	for (int i = 0; i < THREADS; i++) {
		if (pthread_create(&queue.threads[i], NULL, reconciler_run, NULL) != 0)
			return fail(err, ERR_INTERNAL, "cannot start a thread");
		queue.started++;
	}
	return true;
}

void look_queue_stop(void)
{
	pthread_mutex_lock(&queue.lock);
	queue.is_stopping = true;
	pthread_cond_broadcast(&queue.changed);
	pthread_mutex_unlock(&queue.lock);
	for (int i = 0; i < queue.started; i++)
		pthread_join(queue.threads[i], NULL);
}
