/* The thread runs at low priority, so that requests go first. */
#include "daemon/housekeeping.h"

#include <pthread.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/log.h"
#include "daemon/auth.h"
#include "instance/instance.h"
#include "store/reserve.h"
#include "store/space_guard.h"
#include "store/staging.h"

#define NICENESS 10
#define TICK_MS 1000   /* between looks at expiry */
#define SWEEP_MS 60000 /* between looks at trash and disk */
#define RETRY_MS 30000 /* after a failure to delete or to clear */

static struct {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool is_stopping; /* held under lock */
} keeper = { .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };

/* Waits for the next tick; false when it is time to stop. */
static bool tick_wait(void)
{
	long long due_ms = deadline_in_ms(TICK_MS);
	bool stopping;

	pthread_mutex_lock(&keeper.lock);
	if (!keeper.is_stopping)
		deadline_cond_wait(&keeper.changed, &keeper.lock, due_ms);
	stopping = keeper.is_stopping;
	pthread_mutex_unlock(&keeper.lock);
	return !stopping;
}

static void *keeper_run(void *user)
{
	long long next_sweep = now_ms(), next_expiry = now_ms(), next_clear = now_ms();

	(void)user;
	setpriority(PRIO_PROCESS, (id_t)gettid(), NICENESS);
	do {
		auth_refresh();
		if (deadline_passed(next_clear)) {
			store_clear_old_staging();
			next_clear = deadline_in_ms(RETRY_MS);
		}
		if (deadline_passed(next_expiry) && !instance_expire_due())
			next_expiry = deadline_in_ms(RETRY_MS);
		if (deadline_passed(next_sweep)) {
			instance_trash_sweep();
			space_guard_measure();
			store_reserve_fill();
			next_sweep = deadline_in_ms(SWEEP_MS);
		}
	} while (tick_wait());
	return NULL;
}

bool housekeeping_start(struct error *err)
{
	return pthread_create(&keeper.thread, NULL, keeper_run, NULL) == 0 ||
	       fail(err, ERR_INTERNAL, "cannot start the housekeeping thread");
}

void housekeeping_stop(void)
{
	pthread_mutex_lock(&keeper.lock);
	keeper.is_stopping = true;
	pthread_cond_signal(&keeper.changed);
	pthread_mutex_unlock(&keeper.lock);
	pthread_join(keeper.thread, NULL);
}
