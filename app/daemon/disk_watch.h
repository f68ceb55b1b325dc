/*
 * A thread that looks every two seconds which servers have no room to write, since
 * neither the engine nor the server says so: the reason of each says it while it lasts.
 */
#ifndef PGBERTH_DAEMON_DISK_WATCH_H
#define PGBERTH_DAEMON_DISK_WATCH_H

#include <stdbool.h>

#include "base/error.h"

/* Main thread; instances must be loaded. */
bool disk_watch_start(struct error *err);
void disk_watch_stop(void);

#endif
