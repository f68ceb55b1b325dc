/* application/x-www-form-urlencoded, in bodies and in query strings. Pure. */
#ifndef PGBERTH_BASE_FORM_H
#define PGBERTH_BASE_FORM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/*
 * Parses into a new JSON object whose values are strings, in *ret_json (owned by the
 * caller). With labels set, `labels.k=v` goes into an object of its own under "labels".
 * Errors: ERR_UNREADABLE for a bad percent escape or a key that is not UTF-8;
 * ERR_INVALID naming the field for a key given twice or a value that is not UTF-8.
 */
bool form_parse(json_t **ret_json, const char *text, size_t length, bool labels,
		struct error *err);

#endif
