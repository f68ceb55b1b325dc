/*
 * The table of fields: all that a request, a query or a record may say is a row of it, and
 * whatever goes over fields walks it. A new field is a member (of struct record or struct
 * spec), a row, and what is done with it. Constant after fields_init(); any thread.
 */
#ifndef PGBERTH_MODEL_FIELD_H
#define PGBERTH_MODEL_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "model/config.h"
#include "model/kind.h"
#include "model/record.h"
#include "model/spec.h"

/* Where fields are given: bodies, then queries. */
enum call_fields {
	IN_CREATE = 1 << 0,
	IN_CHANGE = 1 << 1,
	IN_START = 1 << 2,
	IN_PASSWORD = 1 << 3,
	IN_PURGE = 1 << 4,
	IN_LIST = 1 << 5,
	IN_DELETE = 1 << 6,
	IN_LOGS = 1 << 7,
};

enum field_flag {
	REQUIRED = 1 << 0,  /* by the calls that it may be given in */
	KEPT = 1 << 1,	    /* in the record */
	ESSENTIAL = 1 << 2, /* a record without it is none; the others have a default */
	MAY_BE_0 = 1 << 3,  /* in a record, whatever the range: there is none */
	SHOWN = 1 << 4,	    /* in answers */
	IS_LIMIT = 1 << 5,  /* and there below "limits" */
	RENEWED = 1 << 6,   /* by a create of what runs; other fields must not differ */
	RESTARTS = 1 << 7,  /* the server, to take a change; other changes are live */
};

/* Ends with a row without a name. */
extern const struct field fields[];

/* Main thread, before any other of these; cfg is borrowed for ever. */
void fields_init(const struct config *cfg);

/* The field of this name that one of these calls takes; NULL: none. */
const struct field *field_named(unsigned calls, const char *name);

/* Whether the member was given. */
#define GIVEN(its_spec, member) field_is_given(its_spec, offsetof(struct spec, member))
bool field_is_given(const struct spec *spec, size_t offset);

/* Reads a value of a request into the spec. Errors: as kind_read(). */
bool field_take(const struct field *field, const json_t *value, bool is_text,
		struct spec *spec, struct error *err);

/* Gives what is not in the record, of the fields of these calls, its default. */
bool fields_expect(unsigned calls, struct spec *spec, struct error *err);

/* The member of a record, for a field that is KEPT. */
static inline void *field_of(const struct field *field, struct record *record)
{
	return (char *)record + (field->offset - offsetof(struct spec, record));
}
static inline const void *field_of_const(const struct field *field,
					 const struct record *record)
{
	return (const char *)record + (field->offset - offsetof(struct spec, record));
}

/* A record of defaults as of now, on this host. Its labels are owned. */
bool fields_default(struct record *ret, struct error *err);

/* What was given, and only that, goes into the record; labels are shared. */
void fields_apply(struct record *record, const struct spec *spec);

/* The first field that was given and is another in the record; NULL: all fit. */
const char *fields_differ(const struct record *record, const struct spec *spec);

/* Whether a field was given that a create of what runs renews. */
bool fields_renew(const struct spec *spec);

/* Whether a server must be restarted to become from one as the other. */
bool fields_restart(const struct record *was, const struct record *record);

/*
 * A record's limits as this host can keep them: it may have less than when they were
 * recorded, and that takes no server away.
 */
struct limits {
	int memory_mb;
	double cpus;
};
struct limits field_limits(const struct record *record);

/* Lowers the limits in the record to those, and appends which, as "; cpus is 2 here". */
void fields_lower(struct record *record, struct buf *said);

#endif
