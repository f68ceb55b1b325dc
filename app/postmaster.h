/*
 * One server's way up: container, socket, role, port, proof. With the instance's lock
 * held; any thread.
 */
#ifndef PGBERTH_POSTMASTER_H
#define PGBERTH_POSTMASTER_H

#include "config.h"
#include "engine.h"
#include "error.h"
#include "record.h"

struct start {
	struct record *record; /* image_id and libc are filled in */
	bool is_new;	       /* never ran: its configuration is as it was made */
	bool is_empty; /* its data directory is still to be made; cleared when it is */
	/* Both or neither: the role gets the verifier, and the password must log in. */
	const char *verifier;
	const char *password;
	char container_id[CONTAINER_ID_SIZE]; /* out */
};

/* Main thread, once. */
void postmaster_init(const struct config *cfg);

/*
 * Makes the container, starts it and proves the server. There must be none of its name.
 * On failure the container is removed again. Errors: ERR_PORT_IN_USE, ERR_ENGINE,
 * ERR_SERVER with the last word of the server's log, ERR_FOREIGN_DATA, ERR_NO_SPACE.
 */
bool postmaster_start(struct start *start, struct error *err);

/*
 * The server of a running container is the instance's and lets people in: by a login
 * with the password where there is one, else by socket and SCRAM request.
 */
bool postmaster_prove(const struct start *start, struct error *err);

/* Sets the verifier on a running server and proves the password by a login. */
bool postmaster_set_password(const struct start *start, struct error *err);

#endif
