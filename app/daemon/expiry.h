/*
 * Deletes instances whose time is over, each in a thread of its own for as long as its
 * server takes to end, so that one that does not hear holds up nobody else's.
 */
#ifndef PGBERTH_DAEMON_EXPIRY_H
#define PGBERTH_DAEMON_EXPIRY_H

/* Looks for instances whose time is over, and has threads delete them. One thread. */
void expiry_look(void);

/* Waits for the deletions under way and begins no other. Main thread, after the last
 * expiry_look(). */
void expiry_stop(void);

#endif
