/*
 * Runs programs of the host, by absolute path and without a shell. pgberthd starts no
 * program by any other way. Any thread.
 */
#ifndef PGBERTH_BASE_CHILD_H
#define PGBERTH_BASE_CHILD_H

#include <stdbool.h>

#include "base/error.h"

#define CHILD_FILE "/proc/self/fd/3" /* the file's path in the child */

/*
 * Runs argv (argv[0] is the program's path, NULL ends) to its end. The program has `file`
 * as its only open file, no input, no output and no environment, and is killed after
 * timeout_ms. Errors: ERR_INTERNAL, also when its exit status is not 0.
 */
bool child_run(const char *const argv[], int file, int timeout_ms, struct error *err);

#endif
