/* What /etc/pgberth/pgberth.conf says, read once at start and constant afterwards. */
#ifndef PGBERTH_MODEL_CONFIG_H
#define PGBERTH_MODEL_CONFIG_H

#include <stdbool.h>

#include "base/error.h"

#define VERSIONS_MAX 8
#define DISK_MIN_MB 512 /* of a quota: XFS wants 300, the server needs the rest */

struct config {
	char *root;
	char *socket;
	char *socket_group;
	char *log;
	char *listen;
	char *publish_address;
	char *admin_user;
	char *versions; /* as written; parsed into version[] */
	char *tokens;	/* file of those that may call */
	char *engine_socket;
	char *network; /* of the engine, and its bridge's name */
	char *egress;  /* none or open: whether names of the outside can be looked up */
	char *seccomp_profile;
	char *tls_certificate, *tls_key; /* that all servers have; NULL: each its own */
	int port_min, port_max;
	int uid_min, uid_max;
	int workers, changes;
	int start_timeout_s, stop_timeout_s;
	int log_mb;
	int spares;	  /* data directories of each major made beforehand */
	int trash_days;	  /* that what was purged can still be restored */
	int free_percent; /* of disk and inodes, below which nothing new is made */
	int disk_mb;	  /* the quota of new servers that name none, 0: none */
	bool heal;

	int version[VERSIONS_MAX]; /* configured majors, the default first, 0 ends */
	int host_memory_mb, host_cpus;
	int host_disk_mb; /* all that the file system of root has */
};

/*
 * Reads path into cfg, defaults first; a missing file, an unknown key or a value out
 * of range is an error that names line or key. cfg owns its strings for ever.
 * Main thread, at start.
 */
bool config_load(struct config *cfg, const char *path, struct error *err);

bool config_has_version(const struct config *cfg, int version);

/* 127.0.0.0/8 or ::1. */
bool config_is_loopback(const char *address);

/* True when every address in `listen` is a loopback one. */
bool config_listens_on_loopback_only(const struct config *cfg);

#endif
