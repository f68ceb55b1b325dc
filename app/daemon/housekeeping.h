/*
 * Threads that delete expired instances, remove trash entries after their grace period,
 * measure a disk that is low and clear old staging, whichever of it takes long. Main
 * thread.
 */
#ifndef PGBERTH_DAEMON_HOUSEKEEPING_H
#define PGBERTH_DAEMON_HOUSEKEEPING_H

#include "base/error.h"

bool housekeeping_start(struct error *err);
void housekeeping_stop(void);

#endif
