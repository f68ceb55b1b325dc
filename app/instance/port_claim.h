/*
 * A port for an instance on its way up: its own, the given one, one taken over from an
 * instance that was stopped behind pgberth's back, or any. The claim is undone unless
 * it is kept. With the instance's lock held; any thread.
 */
#ifndef PGBERTH_INSTANCE_PORT_CLAIM_H
#define PGBERTH_INSTANCE_PORT_CLAIM_H

#include "base/error.h"
#include "model/config.h"
#include "model/record.h"

struct port_claim {
	int port;
	bool is_new;		   /* the instance did not have it before */
	bool is_any;		   /* nobody asked for this very one */
	char displaced[NAME_SIZE]; /* who had it; "": nobody */
};

void port_claim_init(const struct config *cfg);

/*
 * Claims record->port, or any when it is 0, which is then set. had is the port that the
 * instance has a claim on already (0: none). Errors: ERR_PORT_IN_USE naming the holder,
 * ERR_NO_FREE_PORT.
 */
bool port_claim_get(struct port_claim *ret, struct record *record, int had,
		    struct error *err);

/* How the owner of record is told who holds a port: by name, if it is one of theirs. */
void port_claim_holder(char ret[NAME_SIZE], const char *holder,
		       const struct record *record);

/* The server runs at it: whoever was displaced learns so. */
void port_claim_keep(const struct port_claim *claim, const char *name);

/* As if it had never been claimed. */
void port_claim_undo(const struct port_claim *claim, const char *name);

#endif
