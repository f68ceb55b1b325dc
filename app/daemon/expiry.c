/*
 * Names wait in a list, oldest first. An owner has at most its share of the threads, and
 * a deletion that failed comes again later, behind the others.
 */
#include "daemon/expiry.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/log.h"
#include "base/share.h"
#include "instance/index.h"
#include "instance/instance.h"
#include "model/token.h"

#define THREADS 32
#define NICENESS 10
#define RETRY_MS 30000

/* An instance to delete. The entry stays in the list until it is deleted. */
struct entry {
	struct entry *next;
	char name[NAME_SIZE];
	char owner[TOKEN_ID_SIZE];
	long long due_ms;
	bool is_taken;
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct entry *entries; /* guarded by lock, as is is_stopping */
	bool is_stopping;
	pthread_t threads[THREADS];
	int started; /* used by the looking thread, and by the main one after it */
} expiry = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* Held: lock. */
static bool is_within_share(const struct entry *entry)
{
	int own = 0, others = 0;

	for (const struct entry *each = expiry.entries; each; each = each->next)
		if (each->is_taken)
			*(strcmp(each->owner, entry->owner) == 0 ? &own : &others) += 1;
	return !*entry->owner || !own || own < share_of(THREADS, others);
}

/* Held: lock. */
static struct entry *entry_next(void)
{
	for (struct entry *entry = expiry.entries; entry; entry = entry->next)
		if (!entry->is_taken && deadline_passed(entry->due_ms) &&
		    is_within_share(entry))
			return entry;
	return NULL;
}

/* Waits for an entry; NULL when there is none to begin any more. */
static struct entry *entry_take(void)
{
	struct entry *entry = NULL;

	pthread_mutex_lock(&expiry.lock);
	while (!expiry.is_stopping && !(entry = entry_next()))
		pthread_cond_wait(&expiry.changed, &expiry.lock);
	if (expiry.is_stopping)
		entry = NULL;
	if (entry)
		entry->is_taken = true;
	pthread_mutex_unlock(&expiry.lock);
	return entry;
}

/* Takes an entry out of the list, and puts it to the end when it is to come again. */
static void entry_put(struct entry *entry, bool is_done)
{
	struct entry **at = &expiry.entries;

	pthread_mutex_lock(&expiry.lock);
	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	while (*at)
		at = &(*at)->next;
	entry->next = NULL;
	entry->is_taken = false;
	entry->due_ms = deadline_in_ms(RETRY_MS);
	if (is_done)
		free(entry);
	else
		*at = entry;
	pthread_cond_broadcast(&expiry.changed);
	pthread_mutex_unlock(&expiry.lock);
}

static void *expiry_run(void *user)
{
	struct entry *entry;

	(void)user;
	setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
	while ((entry = entry_take()))
		entry_put(entry, instance_expire(entry->name));
	return NULL;
}

/* Held: lock. Without memory the next look finds the instance again. */
static void entry_add(const struct record *record)
{
	struct entry **at = &expiry.entries;
	struct entry *entry;

	for (; *at; at = &(*at)->next)
		if (strcmp((*at)->name, record->storage_dir) == 0)
			return;
	entry = calloc(1, sizeof(*entry));
	if (!entry)
		return;
	snprintf(entry->name, sizeof(entry->name), "%s", record->storage_dir);
	snprintf(entry->owner, sizeof(entry->owner), "%s", record->owner_id);
	*at = entry;
}

static bool entry_add_expired(const struct view *view, void *user)
{
	const time_t *now = user;

	if (!view->is_foreign && instance_is_expired(view, *now)) {
		pthread_mutex_lock(&expiry.lock);
		entry_add(&view->record);
		pthread_mutex_unlock(&expiry.lock);
	}
	return true;
}

static int entries_count(void)
{
	int count = 0;

	pthread_mutex_lock(&expiry.lock);
	for (const struct entry *entry = expiry.entries; entry; entry = entry->next)
		count++;
	pthread_cond_broadcast(&expiry.changed); /* some may be due again */
	pthread_mutex_unlock(&expiry.lock);
	return count;
}

void expiry_look(void)
{
	time_t now = time(NULL);
	int count;

	index_walk("", entry_add_expired, &now);
	count = entries_count();
	while (expiry.started < THREADS && expiry.started < count) {
		if (pthread_create(&expiry.threads[expiry.started], NULL, expiry_run,
				   NULL) != 0) {
			log_warn("expiry thread not started threads=%d", expiry.started);
			return;
		}
		expiry.started++;
	}
}

void expiry_stop(void)
{
	pthread_mutex_lock(&expiry.lock);
	expiry.is_stopping = true;
	pthread_cond_broadcast(&expiry.changed);
	pthread_mutex_unlock(&expiry.lock);
	for (int i = 0; i < expiry.started; i++)
		pthread_join(expiry.threads[i], NULL);
}
