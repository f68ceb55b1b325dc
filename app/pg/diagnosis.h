/*
 * Why a server went down, in a sentence for the person who has to do something about
 * it. Pure.
 */
#ifndef PGBERTH_PG_DIAGNOSIS_H
#define PGBERTH_PG_DIAGNOSIS_H

#include "engine/engine.h"
#include "model/record.h"

#define DIAGNOSIS_SIZE 200

/*
 * From how its container ended, and from what its server said last: own is its own log,
 * said what it said before it had one; is_full: so is the disk of its quota, on which it may
 * not even have room to say so. May name a line of these.
 */
void diagnosis_tell(char ret[DIAGNOSIS_SIZE], const struct container *container,
		    const struct record *record, bool is_full, const char *said,
		    const char *own);

/* The last line that tells of a failure ("": none), in ret. */
void diagnosis_line(char *ret, size_t size, const char *log);

#endif
