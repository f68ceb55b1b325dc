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
 * Fills *ret_record, checked as a request's fields are, except for limits of the host or
 * its configuration: these may have changed since, and must not take a server away.
 * Members that earlier versions did not write get their defaults. Errors:
 * ERR_FOREIGN_DATA naming the member that is missing or invalid.
 */
bool record_from_json(struct record *ret_record, const json_t *json, struct error *err);

#endif
