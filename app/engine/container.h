/* A container of an instance: as the engine sees it, what happens to it, and as pgberth
 * wants it made. */
#ifndef PGBERTH_ENGINE_CONTAINER_H
#define PGBERTH_ENGINE_CONTAINER_H

#include <stdbool.h>

#include "model/record.h"

#define CONTAINER_ID_SIZE 65

/* What is: a container as the engine sees it. */
struct container {
	bool exists;
	bool is_named; /* as pgberth named it: of a list only */
	bool is_ours;  /* it carries this pgberth's labels for this instance */
	char id[CONTAINER_ID_SIZE];
	char storage_dir[NAME_SIZE];
	bool is_created; /* and never started, as far as the engine is: of an inspect only */
	bool is_running; /* and neither paused nor between two tries to start */
	bool is_paused;
	bool is_restarting;
	bool oom_killed;
	int exit_code;
	int others;	 /* further containers that carry the same labels */
	int restarts;	 /* by its restart policy, since it was made */
	char error[256]; /* why the engine could not start it; "" */
	int port;	 /* on the host that it publishes, 0: none */
	int memory_mb;
	double cpus;
};

/* Something happened to the container of an instance. */
struct container_event {
	char storage_dir[NAME_SIZE];
	bool out_of_memory; /* one of its processes was killed for want of memory */
};

/* What to make. Strings are borrowed for the call. */
struct container_spec {
	const struct record *record;
	const char *image_id;
	const char *pg_dir;	 /* host path mounted on /pg */
	const char *conf_dir;	 /* host path mounted read-only on /etc/pgberth */
	const char *const *argv; /* the command, NULL-ended */
	/* For single-user repair: no network, no port, no restart, and a file mounted on
	 * /etc/passwd, since that mode wants a name for its uid. NULL: not isolated. */
	const char *isolated_passwd;
};

#endif
