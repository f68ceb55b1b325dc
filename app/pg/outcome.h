/* Outcomes of a talk with a server, as far as callers must tell them apart. */
#ifndef PGBERTH_PG_OUTCOME_H
#define PGBERTH_PG_OUTCOME_H

#include <stdbool.h>

/* PG_OK leaves err alone, all others fill it. */
enum pg_outcome {
	PG_OK,
	PG_NOT_YET, /* nobody listens, or the server starts: try again */
	PG_REFUSED, /* the server answers, and does not admit this login */
	PG_FULL,    /* the server has no room for one more connection */
	PG_NO_TLS, /* the server answers, but its settings of TLS leave nothing in common */
	PG_FAILED, /* any other failure; err tells it */
};

/* The server answers as a healthy one does, whether it admits clients now or not. */
static inline bool pg_is_well(enum pg_outcome outcome)
{
	return outcome == PG_OK || outcome == PG_FULL || outcome == PG_NO_TLS;
}

#endif
