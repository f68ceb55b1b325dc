/*
 * Sentences of a record's reason, divided by semicolons: which of them outlast what, found
 * again by how they begin. Pure.
 */
#ifndef PGBERTH_INSTANCE_REASON_H
#define PGBERTH_INSTANCE_REASON_H

#include <stdbool.h>

#include "model/record.h"
#include "pg/outcome.h"

/*
 * The server is proven, and this is the proof's note. What happened to it (a crash, a start
 * without its settings) stays until its next start; that it was shut ends here. All else
 * ends here unless the server ran before. True when the reason has changed.
 */
bool reason_prove(struct record *record, const char *note, bool ran);

/* The port answers, and this is how, with its words (any for PG_OK): a server that is well
 * but admits nobody is told until that is over. True when the reason has changed. */
bool reason_admit(struct record *record, enum pg_outcome outcome, const char *why);

/* A sentence of a note that tells how the port answers; "": as it should. */
#define REASON_SHUT_SIZE 320
void reason_shut(char ret[REASON_SHUT_SIZE], enum pg_outcome outcome, const char *why);

/* True when a reason says that the server admits nobody now. */
bool reason_says_shut(const char *reason);

#endif
