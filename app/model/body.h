/*
 * Bodies and queries: JSON and forms become a checked spec by one walk over the table of
 * fields. Pure: no state but the table's. Any thread.
 */
#ifndef PGBERTH_MODEL_BODY_H
#define PGBERTH_MODEL_BODY_H

#include <stddef.h>

#include "base/error.h"
#include "model/spec.h"

/*
 * Reads a body of `length` bytes by its media type and checks every field of it; `calls`
 * are those whose fields it may hold, 0: none.
 * Errors: ERR_MEDIA_TYPE; ERR_UNREADABLE when it is not JSON, not an object or not a
 * form; ERR_INVALID naming the field. No message quotes a value. *ret_spec is filled
 * also on failure, then for the log alone: with what was given, and what of it is valid.
 * End it with spec_done(), which wipes the password.
 */
bool body_parse(struct spec *ret_spec, unsigned calls, const char *content_type,
		const char *body, size_t length, struct error *err);

/* The same for the parameters of a query. Errors: ERR_UNREADABLE, ERR_INVALID. */
bool query_parse(struct spec *ret_spec, unsigned calls, const char *query,
		 struct error *err);

#endif
