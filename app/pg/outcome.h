/* How a talk with a server ended, as far as its caller has to tell the cases apart. */
#ifndef PGBERTH_PG_OUTCOME_H
#define PGBERTH_PG_OUTCOME_H

/* Only PG_OK leaves err alone. */
enum pg_outcome {
	PG_OK,
	PG_NOT_YET, /* nobody listens, or it is starting up: try again */
	PG_REFUSED, /* it answered, and does not let this user in (SQLSTATE 28…, 3D…) */
	PG_FAILED, /* anything else; err says what */
};

#endif
