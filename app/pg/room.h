/* Makes room in a server whose tenant has taken all connections or processes. */
#ifndef PGBERTH_PG_ROOM_H
#define PGBERTH_PG_ROOM_H

#include <stdbool.h>

#include "model/record.h"

/* Room that a call makes; begins with zeros. */
struct room {
	long long next_ms; /* time to end a session, 0: it has not waited yet */
	int ended;
};

/*
 * Waits a moment before a call tries to connect again, since sessions end all the time.
 * Then ends one client's session for it, and another one each time that the place went to
 * somebody else. Connections that have not logged in go first, idle sessions next, and
 * never one for replication. That is the least harm that lets pgberth in: single-user mode
 * would end all. False: no more sessions are to be ended, or the deadline has passed. Any
 * thread.
 */
bool room_wait(struct room *room, const struct record *record, long long deadline_ms);

#endif
