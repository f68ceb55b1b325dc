/*
 * An attempt to make an instance what its record says: its inputs, and how far it came.
 * Callers hold the instance's lock.
 */
#ifndef PGBERTH_INSTANCE_ATTEMPT_H
#define PGBERTH_INSTANCE_ATTEMPT_H

#include <stdbool.h>

#include "instance/index.h"
#include "instance/port_claim.h"
#include "pg/room.h"

struct attempt {
	/* The record says what should be. Filled in: the container, and the record's
	 * members of the start. */
	struct view *view;
	/* Both or neither are given: the role gets the verifier, and the password must
	 * log in. */
	const char *verifier;
	const char *password;
	bool is_new;   /* it never ran, so its configuration is as it was made */
	bool is_empty; /* its data directory must be made; cleared when done */
	bool is_safe; /* starts without the tenant's postgresql.auto.conf, which is set aside */
	bool is_forced; /* makes a new container even if the old one fits */
	bool is_ready;	/* the port is claimed and the record saved already */
	int had_port;	/* port that it had claimed before, 0: none */
	struct port_claim claim;
	bool is_touched;  /* out: the attempt went further than claiming a port */
	bool is_accepted; /* out: the server did not refuse the password in a login */
	struct room room; /* that it made in a full server */
	char note[400];	  /* out: note for a person; "" */
};

/* Adds a sentence to the note. */
void attempt_note(struct attempt *attempt, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

#endif
