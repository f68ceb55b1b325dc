/*
 * Named steps at which a test build dies as by kill -9: the environment variable
 * KILL_POINT_FILE names a file, and that file names the step. Other builds have no such
 * steps.
 */
#ifndef PGBERTH_BASE_KILL_POINT_H
#define PGBERTH_BASE_KILL_POINT_H

#ifdef PGBERTH_KILL_POINTS
/* Ends the process when the file names `step`. Any thread. */
void kill_point(const char *step);
#else
#define kill_point(step) ((void)0)
#endif

#endif
