/*
 * Explains why a server went down, in a sentence for the person who has to act on it.
 * Pure.
 */
#ifndef PGBERTH_PG_DIAGNOSIS_H
#define PGBERTH_PG_DIAGNOSIS_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/container.h"
#include "model/record.h"
#include "store/disk.h"

#define DIAGNOSIS_SIZE 320
#define EXIT_TEXT_SIZE 64

/* An end of a server, as far as it is known. */
struct ending {
	const struct record *record;
	bool at_start;	    /* it ended before it was proven */
	bool is_safe;	    /* it had none of its owner's settings */
	bool has_settings;  /* its owner's own (ALTER SYSTEM), which may be the cause */
	bool out_of_memory; /* a process of it was killed for lack of memory */
	enum fullness full; /* of its disk, which may have had no room for a log line */
	int exit_code;	    /* EXIT_UNKNOWN: nobody saw it */
	const char *said;   /* output of its last start, before it had a log */
	const char *own;    /* its log */
};

/* Writes the reason to ret; it may quote lines of said and own. */
void diagnosis_tell(char ret[DIAGNOSIS_SIZE], const struct ending *ending);

/* The same, from the words of said and own alone. False when they have no known meaning. */
bool diagnosis_find(char ret[DIAGNOSIS_SIZE], const struct ending *ending);

/* Writes to ret what a full disk means, and what to do about it; and whether a reason says
 * that a disk is full, which ends when there is room. */
void diagnosis_full(char ret[DIAGNOSIS_SIZE], const struct record *record,
		    enum fullness full);
bool diagnosis_says_full(const char *reason);

/* Writes how it ended to ret: "exit code 137, by signal 9 (SIGKILL)". */
void diagnosis_exit(char ret[EXIT_TEXT_SIZE], int exit_code);

/* Puts the exit code in the place of an unknown one in a text of up to `size` bytes. False
 * when the text has none. */
bool diagnosis_exit_learn(char *text, size_t size, int exit_code);

/* Writes the last line of the log that reports a failure to ret ("": none). */
void diagnosis_line(char *ret, size_t size, const char *log);

#endif
