/* Deadlines on the monotonic clock, so that a clock set back or forth moves none. */
#ifndef PGBERTH_DEADLINE_H
#define PGBERTH_DEADLINE_H

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

/* Milliseconds left, 0 when it has passed; fits poll(2). */
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

/* A condition whose timed waits go by these deadlines. */
static inline void deadline_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static inline void sleep_ms(long milliseconds)
{
	struct timespec pause = { milliseconds / 1000, milliseconds % 1000 * 1000000 };

	nanosleep(&pause, NULL);
}

#endif
