/*
 * Keeps data directories ready, so that a create need not wait for the disk: a thread
 * makes as many of each major as configured, and another whenever one was taken.
 */
#ifndef PGBERTH_STORE_SPARES_H
#define PGBERTH_STORE_SPARES_H

#include "base/error.h"
#include "model/config.h"

/* Main thread. */
bool spares_start(const struct config *cfg, struct error *err);
void spares_stop(void);

/* One was taken. Any thread. */
void spares_poke(void);

#endif
