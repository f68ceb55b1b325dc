/*
 * Explains why a server went down, in a sentence for the person who has to act on it.
 * Pure.
 */
#ifndef PGBERTH_PG_DIAGNOSIS_H
#define PGBERTH_PG_DIAGNOSIS_H

#include "engine/engine.h"
#include "model/record.h"

#define DIAGNOSIS_SIZE 200

/*
 * Writes the reason to ret, from the end of the container, from the server's log (own)
 * and from its output before it had a log (said), of which it may quote a line. is_full:
 * its quota's disk is full, and may have had no room for a log line.
 */
void diagnosis_tell(char ret[DIAGNOSIS_SIZE], const struct container *container,
		    const struct record *record, bool is_full, const char *said,
		    const char *own);

/* Writes the last line of the log that reports a failure to ret ("": none). */
void diagnosis_line(char *ret, size_t size, const char *log);

#endif
