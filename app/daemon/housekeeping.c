/*
 * Each job has a thread of its own: a server that does not end, or a million files of a
 * tenant's, hold up nothing else. The threads run at low priority, so that requests go
 * first.
 */
#include "daemon/housekeeping.h"

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/log.h"
#include "base/scope.h"
#include "daemon/auth.h"
#include "daemon/expiry.h"
#include "daemon/look_queue.h"
#include "instance/instance.h"
#include "store/reserve.h"
#include "store/space_guard.h"
#include "store/staging.h"

#define NICENESS 10

struct job {
	void (*run)(void);
	int pause_ms;
};

static void space_look(void)
{
	space_guard_measure();
	store_reserve_fill();
}

/* With room again, a look clears what the record says of a full disk. */
static void room_again(const char *name)
{
	look_queue_poke(name, NULL);
}

/* Neither the engine nor a server says that it has no room to write. */
static void disks_look(void)
{
	instance_disks_look(room_again);
}

static const struct job jobs[] = {
	{ auth_refresh, 1000 }, { expiry_look, 1000 },
	{ disks_look, 2000 },	{ instance_trash_sweep, 60000 },
	{ space_look, 60000 },	{ store_clear_old_staging, 30000 },
};

static struct {
	pthread_t threads[COUNT_OF(jobs)];
	size_t started;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_stopping; /* held under lock */
} keeper = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* Waits until the job's time comes again; false when it is time to stop. */
static bool pause_pass(int pause_ms)
{
	long long due_ms = deadline_in_ms(pause_ms);
	bool stopping;

	pthread_mutex_lock(&keeper.lock);
	while (!keeper.is_stopping && !deadline_passed(due_ms))
		deadline_cond_wait(&keeper.changed, &keeper.lock, due_ms);
	stopping = keeper.is_stopping;
	pthread_mutex_unlock(&keeper.lock);
	return !stopping;
}

static void *job_run(void *user)
{
	const struct job *job = user;

	setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
	do
		job->run();
	while (pause_pass(job->pause_ms));
	return NULL;
}

bool housekeeping_start(struct error *err)
{
	for (; keeper.started < COUNT_OF(jobs); keeper.started++)
		if (pthread_create(&keeper.threads[keeper.started], NULL, job_run,
				   (void *)&jobs[keeper.started]) != 0)
			return fail(err, ERR_INTERNAL,
				    "cannot start the housekeeping threads");
	return true;
}

void housekeeping_stop(void)
{
	pthread_mutex_lock(&keeper.lock);
	keeper.is_stopping = true;
	pthread_cond_broadcast(&keeper.changed);
	pthread_mutex_unlock(&keeper.lock);
	for (size_t i = 0; i < keeper.started; i++)
		pthread_join(keeper.threads[i], NULL);
	expiry_stop();
}
