/*
 * A program of the host run as a child. pgberthd runs no other than those that are named in
 * the callers of this, by absolute path, without a shell. Any thread.
 */
#ifndef PGBERTH_BASE_CHILD_H
#define PGBERTH_BASE_CHILD_H

#include <stdbool.h>

#include "base/error.h"

#define CHILD_FILE "/proc/self/fd/3" /* what the child knows the file by */

/*
 * Runs argv (argv[0] its path, NULL ends) to its end, with that file as its only open one,
 * no input, no output and no environment; after timeout_ms it is killed. Errors:
 * ERR_INTERNAL, also when it ends with another status than 0.
 */
bool child_run(const char *const argv[], int file, int timeout_ms, struct error *err);

#endif
