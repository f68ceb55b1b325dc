/*
 * A thread that deletes expired instances, removes trash entries after their grace period
 * and measures a disk that is low. Main thread.
 */
#ifndef PGBERTH_DAEMON_HOUSEKEEPING_H
#define PGBERTH_DAEMON_HOUSEKEEPING_H

#include "base/error.h"

bool housekeeping_start(struct error *err);
void housekeeping_stop(void);

#endif
