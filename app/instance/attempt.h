/*
 * An attempt to bring an instance to what its record says: what is given for it, and how
 * far it came. With the instance's lock held.
 */
#ifndef PGBERTH_INSTANCE_ATTEMPT_H
#define PGBERTH_INSTANCE_ATTEMPT_H

#include <stdbool.h>

#include "instance/index.h"
#include "instance/port_claim.h"

struct attempt {
	/* Its record says what should be. Filled in: the container, and of the record what
	 * the server is started from. */
	struct view *view;
	/* Both or neither: the role gets the verifier, and the password must log in. */
	const char *verifier;
	const char *password;
	bool is_new;   /* never ran: its configuration is as it was made */
	bool is_empty; /* its data directory is still to be made; cleared when it is */
	bool is_safe;  /* without the tenant's postgresql.auto.conf, which is set aside */
	bool is_forced; /* makes the container anew even if it fits */
	bool is_ready;	/* the claim is made and the record saved already */
	int had_port;	/* that it has a claim on from before, 0: none */
	struct port_claim claim;
	bool is_touched; /* out: it went further than claiming a port */
	char note[120];	 /* out: what a person should know; "" */
};

#endif
