/* Records as they are kept: instance.json, by the table of fields. Pure. */
#ifndef PGBERTH_MODEL_RECORD_JSON_H
#define PGBERTH_MODEL_RECORD_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"

/* A new JSON object, owned by the caller; NULL without memory. */
json_t *record_to_json(const struct record *record);

/*
 * Fills *ret_record, with the checks that a request's fields get, but for what depends on
 * the host or its configuration: that may have changed since, and takes no server away.
 * What versions before this one did not write has its default. ERR_FOREIGN_DATA naming the
 * member that is missing or makes no sense.
 */
bool record_from_json(struct record *ret_record, const json_t *json, struct error *err);

#endif
