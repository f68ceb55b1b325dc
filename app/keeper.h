/*
 * The thread that keeps house: deletes what has expired, empties the trash of what is
 * older than its grace period, measures a disk that is low. Main thread.
 */
#ifndef PGBERTH_KEEPER_H
#define PGBERTH_KEEPER_H

#include "error.h"

bool keeper_start(struct error *err);
void keeper_stop(void);

#endif
