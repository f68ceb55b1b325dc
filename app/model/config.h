/* The configuration (/etc/pgberth/pgberth.conf), read at start and constant afterwards. */
#ifndef PGBERTH_MODEL_CONFIG_H
#define PGBERTH_MODEL_CONFIG_H

#include <stdbool.h>

#include "base/error.h"

#define VERSIONS_MAX 8
#define DISK_MIN_MB 512 /* the smallest quota: XFS needs 300, the server the rest */

/* User ids that servers may be given: above the system's, and in an int. */
#define UID_LEAST 1000
#define UID_MOST 2000000000

struct config {
	char *root;
	char *socket;
	char *socket_group;
	char *log;
	char *listen;
	char *publish_address;
	char *admin_user;
	char *versions; /* as written; version[] holds the numbers */
	char *tokens;	/* path of the token file */
	char *engine_socket;
	char *network; /* name of the engine's network and of its bridge */
	char *egress;  /* none or open; open: servers can resolve names of other hosts */
	char *seccomp_profile;
	char *tls_certificate, *tls_key; /* for all servers; NULL: each has its own */
	int port_min, port_max;
	int uid_min, uid_max;
	int workers, changes;
	int start_timeout_s, stop_timeout_s;
	int log_mb;
	int spares;	  /* number of data directories kept ready for each major */
	int trash_days;	  /* days that a purged server can be restored */
	int free_percent; /* share of disk and inodes below which nothing new is made */
	int disk_mb;	  /* default quota of new servers, 0: none */
	int io_mb_s;	  /* that a server reads, and writes, each second; 0: no limit */
	bool heal;

	int version[VERSIONS_MAX]; /* configured majors, the default first, 0 ends */
	int host_memory_mb, host_cpus;
	int host_disk_mb; /* size of root's file system */
};

/*
 * Reads path into cfg, defaults first. Errors: ERR_INVALID, naming path, and line or key:
 * the file is missing, a key is unknown, a value is out of range. cfg owns its strings
 * for ever. Main thread, at start.
 */
bool config_load(struct config *cfg, const char *path, struct error *err);

/* The configuration in force; NULL before config_use(), and in programs that serve nobody.
 * Any thread. */
const struct config *config(void);

/* Puts it in force, borrowed for ever. Main thread, before any other runs. */
void config_use(const struct config *cfg);

bool config_has_version(const struct config *cfg, int version);

/* 127.0.0.0/8 or ::1. */
bool config_is_loopback(const char *address);

/* True when every address in `listen` is a loopback address. */
bool config_listens_on_loopback_only(const struct config *cfg);

#endif
