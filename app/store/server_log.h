/* Reads and prunes log files of a server within bounds, whatever its tenant put there. */
#ifndef PGBERTH_STORE_SERVER_LOG_H
#define PGBERTH_STORE_SERVER_LOG_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "model/record.h"

/* Appends the last `tail` lines of the newest server log files, at most 1 MiB. */
bool store_log_tail(const struct record *record, int tail, struct buf *log,
		    struct error *err);

/* Removes the oldest server logs until the rest fits into log_mb. */
void store_log_prune(const struct record *record);

#endif
