/* Settings that the data of a server demand: without them no server starts on the data,
 * whatever else its owner has set. For store/ alone. */
#ifndef PGBERTH_STORE_DEMANDS_H
#define PGBERTH_STORE_DEMANDS_H

#include <stdbool.h>

#include "base/buf.h"

/*
 * Appends the demanded settings that pgberth's own configuration does not meet, as lines of
 * postgresql.conf ("": it meets all). data: descriptor of the data directory; auto_conf:
 * its owner's settings, from which a standby keeps where it gets its WAL. False without
 * memory.
 */
bool demands_write(int data, int version, const char *auto_conf, struct buf *ret);

#endif
