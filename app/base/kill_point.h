/*
 * Named steps at which the test build can be made to die, as kill -9 would: when a file,
 * named by the environment variable KILL_POINT_FILE, holds the step. Other builds know nothing
 * of them.
 */
#ifndef PGBERTH_BASE_KILL_POINT_H
#define PGBERTH_BASE_KILL_POINT_H

#ifdef PGBERTH_KILL_POINTS
/* Does not return when `step` is the one. Any thread. */
void kill_point(const char *step);
#else
#define kill_point(step) ((void)0)
#endif

#endif
