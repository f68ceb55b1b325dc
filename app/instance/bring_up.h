/*
 * One server's way up: container, socket, role, port, proof. With the instance's lock
 * held; any thread.
 */
#ifndef PGBERTH_INSTANCE_BRING_UP_H
#define PGBERTH_INSTANCE_BRING_UP_H

#include "base/error.h"
#include "engine/engine.h"
#include "model/config.h"
#include "model/record.h"
#include "pg/diagnosis.h"

struct start {
	struct record *record; /* image_id and libc are filled in */
	bool is_new;	       /* never ran: its configuration is as it was made */
	bool is_empty; /* its data directory is still to be made; cleared when it is */
	/* Both or neither: the role gets the verifier, and the password must log in. */
	const char *verifier;
	const char *password;
	bool is_safe; /* without the tenant's postgresql.auto.conf, which is set aside */
	char note[120];			      /* out: what a person should know; "" */
	char container_id[CONTAINER_ID_SIZE]; /* out */
};

/* Main thread, once. */
void bring_up_init(const struct config *cfg);

/*
 * Makes the container, starts it and proves the server. There must be none of its name.
 * On failure the container is removed again. Errors: ERR_PORT_IN_USE, ERR_ENGINE,
 * ERR_SERVER with the last word of the server's log, ERR_FOREIGN_DATA, ERR_NO_SPACE.
 */
bool bring_up_start(struct start *start, struct error *err);

/* Why the container's server is down, or went down last. */
void bring_up_trouble(char ret[DIAGNOSIS_SIZE], const struct container *container,
		      const struct record *record);

/* What store_check() says, and that no process of the tenant's is left that could be a
 * server on the directory. Errors: ERR_FOREIGN_DATA. */
bool bring_up_check(const struct start *start, struct error *err);

/*
 * The server of a running container is the instance's and lets people in: by a login
 * with the password where there is one, else by socket and SCRAM request.
 */
bool bring_up_prove(const struct start *start, struct error *err);

/* A cheap proof that it still lets people in: its port asks for SCRAM. One that only says
 * that it starts, or recovers, does not. */
bool bring_up_is_heard(const struct record *record);

/* Sets the verifier on a running server and proves the password by a login. */
bool bring_up_set_password(const struct start *start, struct error *err);

#endif
