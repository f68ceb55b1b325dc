/*
 * Changes under way, kept in a file, so that the next start tells of those that a kill of
 * pgberthd has cut off: they are finished or undone then, and the log has no line of them.
 * A line may come twice rather than never. The file is not synced, since it outlives a
 * process; after a power cut it may hold changes that have a line, or lack some.
 */
#ifndef PGBERTH_BASE_AUDIT_BEGUN_H
#define PGBERTH_BASE_AUDIT_BEGUN_H

#include "base/audit.h"

/* Main thread, before any change: tells of the changes in the file, and opens it. A file
 * that cannot be opened keeps none, and the log says so. */
void audit_begun_open(const char *path);

/* Notes a change, as called or of pgberthd's own. Returns what audit_end() takes; 0: it
 * is not kept. Any thread. */
int audit_begin(const struct audit *line);
int audit_begin_own(const char *action, const char *name, const char *fields);

/* Forgets the change *begun, whose line was written or that was not made, and sets *begun
 * to 0. Any thread. */
void audit_end(int *begun);
#define AUTO_BEGUN __attribute__((cleanup(audit_end), unused))

#endif
