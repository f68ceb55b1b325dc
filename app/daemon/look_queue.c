/* Instances to look at are in an unordered list, from which the one that is due is
 * picked. */
#include "daemon/look_queue.h"

#include <limits.h>
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
#define UNWELL_MAX                                                                       \
	8 /* the most threads at instances that were not well at their last look */
#define PAUSE_FIRST_MS 250
#define RETRY_FIRST_MS 1000
#define PAUSE_MAX_MS 60000
#define PAUSE_SHUT_MAX_MS 4000
#define STRAYS "" /* the entry for strays, which belong to no instance */
#define NEVER_MS LLONG_MAX

/*
 * A name to look at, and the results of its looks. The entry stays in the list until a
 * look settles it, also during a look, so that a poke in the meantime is not lost.
 */
struct entry {
	struct entry *next;
	char name[NAME_SIZE];
	long long due_ms;   /* NEVER_MS: a thread looks at it, and nobody poked since */
	int pause_ms;	    /* pause after the next look that settles nothing */
	int retry_pause_ms; /* time of the last try, which failed; 0: it did not */
	long long retry_ms; /* earliest time of the next try */
	long long retry_at; /* the same in seconds since 1970 */
	int silent;	    /* looks in a row */
	bool is_taken;
	bool out_of_memory;
	int exit_code; /* EXIT_UNKNOWN: it has not ended */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct entry *entries; /* guarded by lock, as are the next two */
	int unwell;	       /* threads that look at such an entry */
	bool is_stopping;
	pthread_t threads[THREADS];
	int started;
} queue = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* Held: lock. */
static struct entry *entry_find(const char *name)
{
	struct entry *entry = queue.entries;

	while (entry && strcmp(entry->name, name) != 0)
		entry = entry->next;
	return entry;
}

/* Finds or makes the entry of that name; NULL without memory. Held: lock. */
static struct entry *entry_of(const char *name)
{
	struct entry *entry = entry_find(name);

	if (entry)
		return entry;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return NULL;
	snprintf(entry->name, sizeof(entry->name), "%s", name);
	entry->exit_code = EXIT_UNKNOWN;
	entry->next = queue.entries;
	queue.entries = entry;
	return entry;
}

/* Held: lock. */
static void entry_tell(struct entry *entry, bool out_of_memory, int exit_code)
{
	entry->out_of_memory = entry->out_of_memory || out_of_memory;
	if (exit_code != EXIT_UNKNOWN)
		entry->exit_code = exit_code;
}

void look_queue_poke(const char *name, const struct container_event *event)
{
	struct entry *entry;

	pthread_mutex_lock(&queue.lock);
	entry = entry_of(name);
	if (entry) { /* on failure the timer pokes all again */
		entry->due_ms = now_ms();
		entry->pause_ms = PAUSE_FIRST_MS;
		if (event)
			entry_tell(entry, event->out_of_memory, event->exit_code);
		pthread_cond_signal(&queue.changed);
	}
	pthread_mutex_unlock(&queue.lock);
}

static bool poke_one(const struct view *view, void *user)
{
	(void)user;
	look_queue_poke(view->record.storage_dir, NULL);
	return true;
}

void look_queue_poke_all(void)
{
	index_walk("", poke_one, NULL);
	look_queue_poke(STRAYS, NULL);
}

/* A hanging server holds a thread for long, and its owner may cause that: entries that
 * were not well at their last look must leave threads to the others. */
static bool is_unwell(const struct entry *entry)
{
	return entry->retry_pause_ms || entry->silent;
}

static struct entry *earliest(void)
{
	struct entry *found = NULL;

	for (struct entry *entry = queue.entries; entry; entry = entry->next)
		if (!entry->is_taken && (!found || entry->due_ms < found->due_ms) &&
		    (!is_unwell(entry) || queue.unwell < UNWELL_MAX))
			found = entry;
	return found;
}

/* Held: lock. */
static void entry_take(struct entry *entry, struct look_hints *ret_hints)
{
	*ret_hints = (struct look_hints){
		.out_of_memory = entry->out_of_memory,
		.exit_code = entry->exit_code,
		.is_early = entry->retry_pause_ms && !deadline_passed(entry->retry_ms),
		.silent = entry->silent,
	};
	entry->is_taken = true;
	entry->out_of_memory = false;
	entry->exit_code = EXIT_UNKNOWN;
	entry->due_ms = NEVER_MS;
	queue.unwell += is_unwell(entry);
}

/* Waits for the next due entry; NULL when the queue stops. */
static struct entry *queue_take(struct look_hints *ret_hints)
{
	struct entry *entry = NULL;

	pthread_mutex_lock(&queue.lock);
	while (!queue.is_stopping) {
		entry = earliest();
		if (entry && deadline_passed(entry->due_ms))
			break;
		if (entry)
			deadline_cond_wait(&queue.changed, &queue.lock, entry->due_ms);
		else
			pthread_cond_wait(&queue.changed, &queue.lock);
		entry = NULL;
	}
	if (entry)
		entry_take(entry, ret_hints);
	pthread_mutex_unlock(&queue.lock);
	return entry;
}

static int doubled(int pause_ms, int first_ms)
{
	if (!pause_ms)
		return first_ms;
	return pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
}

/* Seconds since 1970, rounded up, in wait_ms from now. */
static long long time_in_ms(long long wait_ms)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec + (now.tv_nsec / 1000000 + wait_ms + 999) / 1000;
}

/* Decides when to look again: later each time, unless somebody pokes the entry. Held:
 * lock. */
static void entry_postpone(struct entry *entry, enum look_outcome outcome)
{
	long long due_ms = deadline_in_ms(entry->pause_ms);

	entry->pause_ms = doubled(entry->pause_ms, PAUSE_FIRST_MS);
	if (outcome == LOOK_SHUT) {
		entry->retry_pause_ms = entry->silent = 0;
		if (entry->pause_ms > PAUSE_SHUT_MAX_MS)
			entry->pause_ms = PAUSE_SHUT_MAX_MS;
	}
	entry->silent += outcome == LOOK_SILENT;
	if (outcome == LOOK_FAILED) {
		entry->retry_pause_ms = doubled(entry->retry_pause_ms, RETRY_FIRST_MS);
		entry->retry_ms = deadline_in_ms(entry->retry_pause_ms);
		entry->retry_at = time_in_ms(entry->retry_pause_ms);
	}
	if (entry->retry_pause_ms && entry->retry_ms > due_ms)
		due_ms = entry->retry_ms;
	if (due_ms < entry->due_ms)
		entry->due_ms = due_ms;
}

static void entry_drop(struct entry *entry)
{
	struct entry **at = &queue.entries;

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	free(entry);
}

/* Gives an entry back. Returns the time until the next try, if the last one failed. */
static int queue_put(struct entry *entry, const struct look_hints *hints,
		     enum look_outcome outcome)
{
	int retry_pause_ms;

	pthread_mutex_lock(&queue.lock);
	queue.unwell -= is_unwell(entry);
	entry->is_taken = false;
	if (outcome == LOOK_SETTLED) {
		entry->retry_pause_ms = entry->silent = 0;
	} else {
		entry_tell(entry, hints->out_of_memory,
			   entry->exit_code == EXIT_UNKNOWN ? hints->exit_code
							    : EXIT_UNKNOWN);
		entry_postpone(entry, outcome);
	}
	retry_pause_ms = entry->retry_pause_ms;
	if (entry->due_ms == NEVER_MS)
		entry_drop(entry);
	pthread_cond_signal(&queue.changed);
	pthread_mutex_unlock(&queue.lock);
	return retry_pause_ms;
}

static void look_at(struct entry *entry, const struct look_hints *hints)
{
	enum look_outcome outcome = LOOK_UNSETTLED;
	char name[NAME_SIZE];
	struct error err;
	int retry_pause_ms;

	memcpy(name, entry->name, sizeof(name));
	if (*name)
		outcome = instance_look(name, hints, &err);
	else if (instance_look_for_strays())
		outcome = LOOK_SETTLED;
	retry_pause_ms = queue_put(entry, hints, outcome);
	if (outcome == LOOK_FAILED)
		log_warn("look failed name=%s again_in_ms=%d error=%s", name,
			 retry_pause_ms, LOG_TEXT(err.message));
}

static void *look_run(void *user)
{
	struct look_hints hints;
	struct entry *entry;

	(void)user;
	while ((entry = queue_take(&hints)))
		look_at(entry, &hints);
	return NULL;
}

/* What is due before a try is only a look that changes nothing; a try whose time has come
 * may have to wait for a call. */
long long look_queue_next(const char *name)
{
	const struct entry *entry;
	long long next = 0;

	pthread_mutex_lock(&queue.lock);
	entry = entry_find(name);
	if (entry)
		next = time_in_ms(entry->is_taken ? 0 : entry->due_ms - now_ms());
	if (entry && entry->retry_pause_ms && entry->retry_at > next)
		next = entry->retry_at;
	pthread_mutex_unlock(&queue.lock);
	return next;
}

bool look_queue_start(struct error *err)
{
	for (int i = 0; i < THREADS; i++) {
		if (pthread_create(&queue.threads[i], NULL, look_run, NULL) != 0)
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
