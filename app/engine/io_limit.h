/*
 * The limit on what a server reads from and writes to the host's disk, io_mb_s. The
 * kernel keeps it for the disk as a whole, so partitions are looked through.
 */
#ifndef PGBERTH_ENGINE_IO_LIMIT_H
#define PGBERTH_ENGINE_IO_LIMIT_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* Finds the disk that root lies on. Main thread, at start. Errors: ERR_INVALID when there
 * is a limit, but no such disk. */
bool io_limit_init(struct error *err);

/* Adds the limit to a HostConfig; false without memory. Any thread. */
bool io_limit_add(json_t *host);

#endif
