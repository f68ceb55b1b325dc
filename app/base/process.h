/* The host's processes by uid, as /proc tells of them: no process can hide its uid
 * there. Any thread. */
#ifndef PGBERTH_BASE_PROCESS_H
#define PGBERTH_BASE_PROCESS_H

#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>

/*
 * The next one in an open /proc with a real, effective or saved uid in the range and a
 * name that begins so; 0: none is left; -1: one cannot be looked at (errno). Dead ones
 * do not count.
 */
int process_next(DIR *proc, const char *name, int uid_min, int uid_max);

/* The beginning of a file of a process, as text; false with errno: ESRCH where it has
 * ended. */
bool process_read(DIR *proc, int pid, const char *file, char *ret, size_t size);

/* Its real uid. */
bool process_uid(DIR *proc, int pid, int *ret_uid);

/* Sends a signal to a process of that uid, not of root; false when it has ended. */
bool process_signal(int pid, int uid, int number);

/* SIGKILL to all of that uid; not of root. */
void process_kill_uid(int uid);

#endif
