/*
 * The thread that keeps house: deletes what has expired, empties the trash of what is
 * older than its grace period, measures a disk that is low. Main thread.
 */
#ifndef PGBERTH_DAEMON_HOUSEKEEPING_H
#define PGBERTH_DAEMON_HOUSEKEEPING_H

#include "base/error.h"

bool housekeeping_start(struct error *err);
void housekeeping_stop(void);

#endif
