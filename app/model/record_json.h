/* Reads and writes instance.json, by the table of fields. Pure. */
#ifndef PGBERTH_MODEL_RECORD_JSON_H
#define PGBERTH_MODEL_RECORD_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"

/* Makes a new JSON object, owned by the caller; NULL without memory. */
json_t *record_to_json(const struct record *record);

/*
 * Fills *ret_record, with the checks that a request's fields get, except those that depend
 * on the host or its configuration: these may have changed since, and must take no server
 * away. Members that older versions did not write have their default. ERR_FOREIGN_DATA
 * naming the member that is missing or makes no sense.
 */
bool record_from_json(struct record *ret_record, const json_t *json, struct error *err);

#endif
