/* The thread that makes spares runs at low priority, so that requests go first. */
#include "store/spares.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/log.h"
#include "model/config.h"
#include "store/fill.h"
#include "store/space_guard.h"
#include "store/uid.h"

#define NICENESS 10
#define RETRY_MS 60000 /* after a failure, such as a full disk */
#define SPARES_MAX 256

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_wanted, is_stopping; /* these and the list are held under lock */
	struct spare list[SPARES_MAX];
	int count;
} spares = { .lock = PTHREAD_MUTEX_INITIALIZER,
	     .changed = PTHREAD_COND_INITIALIZER,
	     .is_wanted = true };

static bool spare_make(int version, struct error *err)
{
	struct spare spare = { .version = version };
	struct template template;

	if (!store_template(version, &template, err) || !store_uid_take(&spare.uid, err))
		return false;
	if (!store_pg_make(spare.name, version, spare.uid, &template, err)) {
		store_uid_release(spare.uid);
		return false;
	}
	snprintf(spare.template, sizeof(spare.template), "%s", template.directory);
	pthread_mutex_lock(&spares.lock);
	if (spares.count < SPARES_MAX)
		spares.list[spares.count++] = spare;
	pthread_mutex_unlock(&spares.lock);
	return true;
}

static int spare_count(int version)
{
	int count = 0;

	pthread_mutex_lock(&spares.lock);
	for (int i = 0; i < spares.count; i++)
		count += spares.list[i].version == version;
	pthread_mutex_unlock(&spares.lock);
	return count;
}

/* Takes a spare of a major from the list; false when it has none. */
static bool spare_pop(int version, struct spare *ret)
{
	bool found = false;

	pthread_mutex_lock(&spares.lock);
	for (int i = 0; i < spares.count && !found; i++) {
		if (spares.list[i].version != version)
			continue;
		*ret = spares.list[i];
		spares.list[i] = spares.list[--spares.count];
		found = true;
	}
	pthread_mutex_unlock(&spares.lock);
	return found;
}

bool store_spare_take(int version, const struct template *template, struct spare *ret)
{
	while (spare_pop(version, ret)) {
		if (strcmp(ret->template, template->directory) == 0 &&
		    !store_uid_must_move(ret->uid))
			return true;
		/* Its image has been replaced, or somebody was given its uid. */
		store_staging_clear(ret->name);
		store_uid_release(ret->uid);
	}
	return false;
}

void spares_poke(void)
{
	pthread_mutex_lock(&spares.lock);
	spares.is_wanted = true;
	pthread_cond_signal(&spares.changed);
	pthread_mutex_unlock(&spares.lock);
}

/* Place in the configuration of a major with too few spares, -1: none. One that failed
 * is not tried again for a while, and holds up no other. */
static int major_in_need(const long long again_ms[VERSIONS_MAX])
{
	for (int i = 0; config()->version[i]; i++)
		if (deadline_passed(again_ms[i]) &&
		    spare_count(config()->version[i]) < config()->spares)
			return i;
	return -1;
}

static bool is_stopping(void)
{
	bool stopping;

	pthread_mutex_lock(&spares.lock);
	stopping = spares.is_stopping;
	pthread_mutex_unlock(&spares.lock);
	return stopping;
}

/* Waits for a poke, or until what failed can be tried again. */
static void wait_for_poke(void)
{
	long long due_ms = deadline_in_ms(RETRY_MS);

	pthread_mutex_lock(&spares.lock);
	while (!spares.is_stopping && !spares.is_wanted)
		if (!deadline_cond_wait(&spares.changed, &spares.lock, due_ms))
			break;
	spares.is_wanted = false;
	pthread_mutex_unlock(&spares.lock);
}

static void *spares_run(void *user)
{
	long long again_ms[VERSIONS_MAX] = { 0 };
	struct error err;
	int place;

	(void)user;
	setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
	while (!is_stopping()) {
		wait_for_poke();
		while (!is_stopping() && (place = major_in_need(again_ms)) >= 0) {
			int version = config()->version[place];

			if (space_guard_has_room(&err) && spare_make(version, &err))
				continue;
			again_ms[place] = deadline_in_ms(RETRY_MS);
			log_warn("spare not made version=%d error=%s", version,
				 LOG_TEXT(err.message));
		}
	}
	return NULL;
}

bool spares_start(struct error *err)
{
	return pthread_create(&spares.thread, NULL, spares_run, NULL) == 0 ||
	       fail(err, ERR_INTERNAL, "cannot start the thread for spares");
}

void spares_stop(void)
{
	pthread_mutex_lock(&spares.lock);
	spares.is_stopping = true;
	pthread_cond_signal(&spares.changed);
	pthread_mutex_unlock(&spares.lock);
	pthread_join(spares.thread, NULL);
}
