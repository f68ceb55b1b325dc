/* Containers of instances: their state in the engine, their events, and the wishes for a
 * new one. */
#ifndef PGBERTH_ENGINE_CONTAINER_H
#define PGBERTH_ENGINE_CONTAINER_H

#include <stdbool.h>

#include "model/record.h"

#define CONTAINER_ID_SIZE 65
#define EXIT_UNKNOWN (-1)

/* The most processes (and threads) of a container, and those that a server needs beside
 * its sessions. */
#define CONTAINER_PROCESSES 512
#define CONTAINER_PROCESSES_OWN 12

/* State of a container in the engine. */
struct container {
	bool exists;
	bool is_named; /* from its label; set by a list only */
	bool is_ours;  /* it has this pgberth's labels for this instance */
	char id[CONTAINER_ID_SIZE];
	char storage_dir[NAME_SIZE];
	bool is_created; /* it was never started; set by an inspection only */
	bool is_running; /* neither paused nor between two attempts to start */
	bool is_paused;
	bool is_restarting;
	bool oom_killed;
	int exit_code;
	int others;   /* number of other containers with the same labels */
	int restarts; /* restarts by its policy, since it was made or started by hand */
	long long
		started_at; /* seconds since 1970; set, as ended_at, by an inspection only */
	long long ended_at;	      /* 0: it never ended */
	char started[TIMESTAMP_SIZE]; /* started_at, to the nanosecond */
	char error[256];	      /* reason that the engine could not start it; "" */
	int port;		      /* published port of the host, 0: none */
	int memory_mb;
	double cpus;
};

/* An event of an instance's container. */
struct container_event {
	char storage_dir[NAME_SIZE];
	bool out_of_memory; /* a process in it was killed for lack of memory */
	int exit_code;	    /* with which it has just ended; EXIT_UNKNOWN: it has not */
};

/* A container to make. Strings are borrowed for the call. */
struct container_spec {
	const struct record *record;
	const char *image_id;
	const char *pg_dir;	 /* host path, mounted on /pg */
	const char *conf_dir;	 /* host path, mounted read-only on /etc/pgberth */
	const char *const *argv; /* command, NULL-ended */
	/* For a repair in single-user mode: no network, no port, no restart, and a file
	 * mounted on /etc/passwd, since that mode needs a name for its uid. NULL: not
	 * isolated. */
	const char *isolated_passwd;
};

#endif
