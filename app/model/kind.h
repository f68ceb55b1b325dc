/*
 * Kinds of fields: how a value of each is read with all its checks, written, compared and
 * copied, whether it comes as JSON, as text (of a form or a query) or from a record. Pure.
 */
#ifndef PGBERTH_MODEL_KIND_H
#define PGBERTH_MODEL_KIND_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "model/config.h"

/* With the type of the member that each is kept in. */
enum kind {
	NAME, /* char[]: as name_is_valid(); "" too where the least is 0 */
	TEXT, /* char[]: its least length in bytes is min, its greatest what has room */
	INTEGER,  /* int */
	NUMBER,	  /* double */
	TIME,	  /* long long: since 1970 */
	SWITCH,	  /* bool */
	CHOICE,	  /* an enum: index of choices */
	LABELS,	  /* json_t *: an object of strings, owned */
	NETWORKS, /* struct networks */
};

struct range {
	double min, max;
	double value; /* the default */
};

/* A row of the table of fields: name, kind, member, calls that take it, range. */
struct field {
	const char *name;
	enum kind kind;
	size_t offset, size; /* of its member in struct spec */
	unsigned calls;	     /* enum call: that it may be given in */
	unsigned flags;	     /* enum field_flag */
	struct range range;  /* that makes sense on any host, so what a record may say */
	/* Narrows the range of a number to what is granted here and now; NULL: all of it. */
	void (*narrow)(const struct config *cfg, struct range *range);
	/* Tells whether a value of that range is granted here and now; NULL: it is. */
	bool (*check)(const struct field *field, const void *member, struct error *err);
	const char *text;	    /* the default of NAME and TEXT; NULL: "" */
	const char *const *choices; /* of CHOICE, ended by NULL */
	/* Its option of `pgberth create`; help NULL: none. */
	const char *option; /* NULL: the name, with '-' for '_' */
	int key;	    /* of one letter, 0: none */
	const char *argument, *help;
};

/*
 * Reads a checked value into *member, which is filled only on success. ERR_INVALID naming
 * the field; no message quotes a value. is_text: it comes as text, whatever its kind.
 */
bool kind_read(const struct field *field, const struct range *range, const json_t *value,
	       bool is_text, void *member, struct error *err);

/* Checks a number that has been read against another range. Errors: as kind_read(). */
bool kind_in_range(const struct field *field, const struct range *range,
		   const void *member, struct error *err);

/* Errors: ERR_INTERNAL, out of memory. */
bool kind_default(const struct field *field, double value, void *member,
		  struct error *err);

/* A new reference; NULL without memory. */
json_t *kind_to_json(const struct field *field, const void *member);

bool kind_equal(const struct field *field, const void *one, const void *other);

/* Replaces *member by another, whose labels, if it has any, are shared from then on. */
void kind_copy(const struct field *field, void *member, const void *other);

#endif
