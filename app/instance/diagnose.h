/* Finds out why a server does not come up, or went down. Callers hold the instance's lock;
 * any thread. */
#ifndef PGBERTH_INSTANCE_DIAGNOSE_H
#define PGBERTH_INSTANCE_DIAGNOSE_H

#include "base/error.h"
#include "engine/container.h"
#include "model/record.h"
#include "pg/diagnosis.h"

/* Explain why a server does not come up (is_safe: without its owner's settings), and why one
 * that was up went down, with the exit code that was seen (EXIT_UNKNOWN: none). */
void diagnose_start(char ret[DIAGNOSIS_SIZE], const struct container *container,
		    const struct record *record, bool is_safe);
void diagnose_crash(char ret[DIAGNOSIS_SIZE], const struct container *container,
		    const struct record *record, int exit_code);

/*
 * A server whose processes end again and again restarts them without end, and is never
 * proven: it "starts" at each look (ERR_STARTING). Puts into err, as ERR_SERVER, what its
 * log tells; without a word there it may have been stopped meanwhile.
 */
void diagnose_failure(const struct record *record, bool is_safe, struct error *err);

#endif
