/*
 * What should be: the record of one instance, kept as instance.json in its directory.
 * Everything else (container, configuration files, index) can be made again from it.
 */
#ifndef PGBERTH_MODEL_RECORD_H
#define PGBERTH_MODEL_RECORD_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "model/networks.h"

#define NAME_MAX_LENGTH 63
#define NAME_SIZE (NAME_MAX_LENGTH + 1)

enum wanted { WANTED_RUNNING, WANTED_STOPPED, WANTED_STORED };

/* Whether clients may do without TLS. */
enum tls { TLS_OFFERED, TLS_REQUIRED };

struct record {
	char storage_dir[NAME_SIZE];
	enum wanted wanted;
	bool acknowledged;     /* its create was answered with 200 (or is about to be) */
	char owner[NAME_SIZE]; /* the token that it was created with; "": none */
	int port;	       /* 0: none */
	int version;	       /* PostgreSQL's major */
	int uid; /* of the tenant, on the host and in the container; = gid */
	int memory_mb;
	double cpus;
	int disk_mb;	/* the quota of its disk, 0: none */
	json_t *labels; /* an object; owned, never shared with another record */
	struct networks allow;
	enum tls tls;
	char created_at[32];
	char image_id[80];	/* that it last started from; informs only */
	char libc[16], icu[16]; /* that its collations were made with; "": unknown */
	char reason[200];	/* why it is not what one would expect; "" */
	/* When somebody stopped it through the engine, in ms since 1970; 0: nobody did.
	 * Such a one yields its port to a create that names it. */
	long long outside_since_ms;
	/* Seconds since 1970, 0: none. When it is deleted by itself, with its storage if
	 * so said; since when it is not to run. */
	long long expires_at;
	bool expire_purge;
	long long stopped_at;
};

/* A copy; end each with record_done(). Its labels are NULL without memory. */
struct record record_copy(const struct record *record);
void record_done(struct record *record);

#define AUTO_RECORD __attribute__((cleanup(record_done))) struct record

/* What should be from now on; keeps stopped_at true. */
void record_want(struct record *record, enum wanted wanted);

/* [A-Za-z0-9][A-Za-z0-9_.-]{0,62} */
bool name_is_valid(const char *name);

/* The same characters, up to a length of one's own. */
bool name_is_valid_to(const char *name, size_t length_max);

/* Names of enum wanted and of enum tls; end with NULL. */
extern const char *const wanted_names[];
extern const char *const tls_names[];

#endif
