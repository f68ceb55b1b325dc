/* Outcomes of a talk with a server, as far as callers must tell them apart. */
#ifndef PGBERTH_PG_OUTCOME_H
#define PGBERTH_PG_OUTCOME_H

/* PG_OK leaves err alone, all others fill it. */
enum pg_outcome {
	PG_OK,
	PG_NOT_YET, /* nobody listens, or the server starts: try again */
	PG_REFUSED, /* the server does not admit this user (SQLSTATE 28…, 3D…) */
	PG_FAILED,  /* any other failure; err tells it */
};

#endif
