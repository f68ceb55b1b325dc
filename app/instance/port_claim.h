/*
 * Claims a port for an instance that starts: its own, the given one, one taken over from
 * an instance of the same owner that was stopped behind pgberth's back, or any. Callers keep or undo the
 * claim, and hold the instance's lock. Any thread.
 */
#ifndef PGBERTH_INSTANCE_PORT_CLAIM_H
#define PGBERTH_INSTANCE_PORT_CLAIM_H

#include "base/error.h"
#include "model/record.h"

struct port_claim {
	int port;
	bool is_new;		   /* the instance did not have it before */
	bool is_any;		   /* the port was not given, but chosen */
	char displaced[NAME_SIZE]; /* instance that had it; "": none */
};

/*
 * Claims record->port; 0: any, which is then written to it. had is the port that the
 * instance has claimed already (0: none). Errors: ERR_PORT_IN_USE naming the holder,
 * ERR_NO_FREE_PORT.
 */
bool port_claim_get(struct port_claim *ret, struct record *record, int had,
		    struct error *err);

/* Ends the claim when the server runs; the record of a displaced instance loses the port. */
void port_claim_keep(const struct port_claim *claim, const char *name);

/* Takes the claim back. */
void port_claim_undo(const struct port_claim *claim, const char *name);

#endif
