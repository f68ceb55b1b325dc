/*
 * Named steps at which the test build can be made to die, as kill -9 would: when a file,
 * named by the environment variable FAULT_FILE, holds the step. Other builds know nothing
 * of them.
 */
#ifndef PGBERTH_FAULT_H
#define PGBERTH_FAULT_H

#ifdef PGBERTH_FAULTS
/* Does not return when `step` is the one. Any thread. */
void fault_point(const char *step);
#else
#define fault_point(step) ((void)0)
#endif

#endif
