/*
 * The record of an instance says what should be, and is kept as instance.json in its
 * directory. Container, configuration files and index can be made again from it.
 */
#ifndef PGBERTH_MODEL_RECORD_H
#define PGBERTH_MODEL_RECORD_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "base/timestamp.h"
#include "model/networks.h"

#define NAME_MAX_LENGTH 63
#define NAME_SIZE (NAME_MAX_LENGTH + 1)

enum wanted { WANTED_RUNNING, WANTED_STOPPED, WANTED_STORED };

/* TLS of clients: offered, or required. */
enum tls { TLS_OFFERED, TLS_REQUIRED };

struct record {
	char storage_dir[NAME_SIZE];
	enum wanted wanted;
	bool acknowledged;     /* its create was, or is about to be, answered with 200 */
	char owner[NAME_SIZE]; /* name and id of the token that it was created with; */
	char owner_id[17];     /* "": none. A name alone: a version before kept no id */
	int port;	       /* 0: none */
	int version;	       /* PostgreSQL's major */
	int uid;     /* uid (= gid) of the tenant, on the host and in the container */
	int uid_was; /* uid that a part of its files may still have, 0: none */
	int memory_mb;
	double cpus;
	int disk_mb;	/* quota of its disk, 0: none */
	json_t *labels; /* an object; owned, never shared with another record */
	struct networks allow;
	enum tls tls;
	char created_at[TIMESTAMP_SIZE];
	char image_id[80]; /* image of its last start; for information only */
	char libc[16],
		icu[16];  /* versions that its collations were made with; "": unknown */
	char reason[400]; /* reason of an unexpected state; "" */
	/* Time at which somebody stopped it through the engine, in ms since 1970; 0:
	 * nobody did. Such an instance yields its port to a create that names it. */
	long long outside_since_ms;
	/* Seconds since 1970, 0: none. When it is deleted by itself, with its storage if
	 * so said; since when it is not to run. */
	long long expires_at;
	bool expire_purge;
	long long stopped_at;
};

/* Copies a record; end each with record_done(). Labels of the copy are NULL without
 * memory. */
struct record record_copy(const struct record *record);
void record_done(struct record *record);

#define AUTO_RECORD __attribute__((cleanup(record_done))) struct record

/* Takes over the user ids of a later state of the same record, since what has changed its
 * owner stays with that. */
void record_keep_uid(struct record *record, const struct record *later);

/* True for a uid that its files may have. */
bool record_has_uid(const struct record *record, unsigned uid);

/* Sets the wanted state by pgberth's own hand, and keeps stopped_at in step. */
void record_want(struct record *record, enum wanted wanted);

/* True for [A-Za-z0-9][A-Za-z0-9_.-]{0,62}. */
bool name_is_valid(const char *name);

/* The same characters, up to another length. */
bool name_is_valid_to(const char *name, size_t length_max);

/* Names of enum wanted and enum tls; NULL ends them. */
extern const char *const wanted_names[];
extern const char *const tls_names[];

#endif
