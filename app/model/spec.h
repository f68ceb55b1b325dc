/*
 * Input becomes a checked spec: one walk over a table of fields, the same for JSON
 * bodies and for forms. Pure: no I/O, no state but the limits set at start.
 */
#ifndef PGBERTH_MODEL_SPEC_H
#define PGBERTH_MODEL_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "model/config.h"
#include "model/record.h"

#define PASSWORD_MAX 1024

enum given {
	GIVEN_STORAGE_DIR = 1 << 0,
	GIVEN_PASSWORD = 1 << 1,
	GIVEN_PORT = 1 << 2,
	GIVEN_VERSION = 1 << 3,
	GIVEN_MEMORY = 1 << 4,
	GIVEN_CPUS = 1 << 5,
	GIVEN_LABELS = 1 << 6,
	GIVEN_EXPIRES = 1 << 7,
	GIVEN_PURGE = 1 << 8,
	GIVEN_SAFE = 1 << 9,
	GIVEN_DAYS = 1 << 10,
	GIVEN_DRY = 1 << 11,
	GIVEN_ALLOW = 1 << 12,
	GIVEN_TLS = 1 << 13,
	GIVEN_DISK = 1 << 14,
};

/* Members whose bit is not in `given` hold nothing of meaning. */
struct spec {
	unsigned given;
	char storage_dir[NAME_SIZE];
	char owner[NAME_SIZE]; /* no input: the caller's token, "" for none */
	char admin_password[PASSWORD_MAX + 1];
	int port;
	int version;
	int memory_mb;
	double cpus;
	int disk_mb;
	int expires_in_s; /* 0: never */
	bool expire_purge;
	bool safe;
	int stopped_days;
	bool dry_run;
	struct networks allow;
	enum tls tls;
	json_t *labels; /* owned */
};

enum field_kind { NAME, PASSWORD, INTEGER, NUMBER, SWITCH, LABELS, NETWORKS, TLS };

/* One row of input: what a field is called, is made of, and where it goes. */
struct field {
	const char *name;
	enum field_kind kind;
	bool required;
	enum given given;
	size_t offset; /* in struct spec */
};

/* Which fields a call takes. Each ends with a row without a name. */
extern const struct field create_fields[];
extern const struct field change_fields[];
extern const struct field password_fields[];
extern const struct field start_fields[];
extern const struct field purge_fields[];
extern const struct field no_fields[];

/* Ranges that depend on configuration and host. Main thread, before any parse. */
void spec_set_limits(const struct config *cfg);

/*
 * Reads a body of `length` bytes by its media type and checks every field of it.
 * Errors: ERR_MEDIA_TYPE; ERR_UNREADABLE when it is not JSON, not an object or not a
 * form; ERR_INVALID naming the field. No message quotes a value. *ret_spec is filled
 * only on success; end it with spec_done(), which wipes the password. Any thread.
 */
bool spec_parse(struct spec *ret_spec, const struct field *fields,
		const char *content_type, const char *body, size_t length,
		struct error *err);

void spec_done(struct spec *spec);

#define AUTO_SPEC __attribute__((cleanup(spec_done))) struct spec

#endif
