/* Reads application/x-www-form-urlencoded, in bodies and in query strings. Pure. */
#ifndef PGBERTH_BASE_FORM_H
#define PGBERTH_BASE_FORM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*
 * Parses a form into a new JSON object of strings, in *ret_json (owned by the caller).
 * With labels set, `labels.k=v` goes to an object of its own under "labels". Errors:
 * ERR_UNREADABLE for a bad percent escape or a name that is not UTF-8; ERR_INVALID naming
 * the field when it is given twice or its value is not UTF-8.
 */
bool form_parse(json_t **ret_json, const char *text, size_t length, bool labels,
		struct error *err);

#endif
