/* Deadlines on the monotonic clock: a change of the host's time does not move them. */
#ifndef PGBERTH_BASE_DEADLINE_H
#define PGBERTH_BASE_DEADLINE_H

#include <pthread.h>
#include <stdbool.h>
#include <time.h>

/* Milliseconds of the monotonic clock. */
static inline long long now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static inline long long deadline_in_ms(long long timeout_ms)
{
	return now_ms() + timeout_ms;
}

/* Milliseconds until the deadline, 0 when it has passed, at most an hour: fits poll(2). */
static inline int deadline_left_ms(long long deadline_ms)
{
	long long left = deadline_ms - now_ms();

	if (left <= 0)
		return 0;
	return left > 3600000 ? 3600000 : (int)left;
}

static inline bool deadline_passed(long long deadline_ms)
{
	return now_ms() >= deadline_ms;
}

/* Waits for `cond` until the deadline; false when it has passed. `mutex` is held. */
static inline bool deadline_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex,
				      long long deadline_ms)
{
	struct timespec until = { deadline_ms / 1000, deadline_ms % 1000 * 1000000 };

	return pthread_cond_clockwait(cond, mutex, CLOCK_MONOTONIC, &until) == 0;
}

static inline void sleep_ms(long milliseconds)
{
	struct timespec pause = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}

#endif
