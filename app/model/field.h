/*
 * The table of fields. Requests, queries and records hold nothing but its rows; parsing,
 * records, defaults, comparisons, answers and the command line walk it. A new field is a
 * member (of struct record or struct spec), a row, and its use. Constant after
 * config_use(); any thread.
 */
#ifndef PGBERTH_MODEL_FIELD_H
#define PGBERTH_MODEL_FIELD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "model/kind.h"
#include "model/record.h"
#include "model/spec.h"

/* Calls that take fields: bodies, then queries. */
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
	REQUIRED = 1 << 0,  /* a call that it may be given in needs it */
	KEPT = 1 << 1,	    /* kept in the record */
	ESSENTIAL = 1 << 2, /* a record must have it; the others have a default */
	MAY_BE_0 = 1 << 3,  /* 0 in a record stands for none, whatever the range */
	SHOWN = 1 << 4,	    /* shown in answers */
	IS_LIMIT = 1 << 5,  /* shown below "limits" */
	RENEWED = 1 << 6,   /* a create of what runs changes it; others must agree */
	RESTARTS = 1 << 7,  /* a change restarts the server; others are live */
};

/* Rows of all fields; a row without a name ends the table. */
extern const struct field fields[];

/* Finds the field of this name that one of these calls takes; NULL: none. */
const struct field *field_named(unsigned calls, const char *name);

/* True when the member was given. */
#define GIVEN(its_spec, member) field_is_given(its_spec, offsetof(struct spec, member))
bool field_is_given(const struct spec *spec, size_t offset);

/* Reads a value of a request into the spec, as far as it makes sense on any host. Errors:
 * those of kind_read(). */
bool field_take(const struct field *field, const json_t *value, bool is_text,
		struct spec *spec, struct error *err);

/* Sets the fields of these calls that are not in the record to their defaults. */
bool fields_expect(unsigned calls, struct spec *spec, struct error *err);

/* The member of a record for a field that is KEPT. */
static inline void *field_of(const struct field *field, struct record *record)
{
	return (char *)record + (field->offset - offsetof(struct spec, record));
}
static inline const void *field_of_const(const struct field *field,
					 const struct record *record)
{
	return (const char *)record + (field->offset - offsetof(struct spec, record));
}

/* Makes a record of defaults as of now, on this host. Its labels are owned. */
bool fields_default(struct record *ret, struct error *err);

/*
 * True when the configuration grants all that was given. A value that the record has
 * already stays granted, since the configuration may have changed; has NULL: there is no
 * record yet. ERR_INVALID, naming the field.
 */
bool fields_grant(const struct spec *spec, const struct record *has, struct error *err);

/* Copies the fields that were given into the record; labels are shared. */
void fields_apply(struct record *record, const struct spec *spec);

/* The first given field whose value differs from the record's; NULL: all are equal. */
const char *fields_differ(const struct record *record, const struct spec *spec);

/* Names of the fields that were given, with commas between. */
#define FIELDS_NAMES_SIZE 512
void fields_names(unsigned long long given, char ret[FIELDS_NAMES_SIZE]);

/* True for the name of any field. */
bool field_exists(const char *name);

/* True when a field was given that a create of a running server changes. */
bool fields_renew(const struct spec *spec);

/* True when the reason of a record names a field that the other has changed: it may quote
 * the old value, or ask for the change. */
bool fields_end_reason(const struct record *was, const struct record *record);

/* True when a change from one record to the other needs a restart. */
bool fields_restart(const struct record *was, const struct record *record);

/*
 * Limits of a record that this host can keep: it may have less than when they were
 * recorded, which must not take the server away.
 */
struct limits {
	int memory_mb;
	double cpus;
};
struct limits field_limits(const struct record *record);

/* Lowers the limits in the record to those, and appends their names, as "; cpus is 2
 * here". */
void fields_lower(struct record *record, struct buf *said);

#endif
