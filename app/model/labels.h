/* Labels of a server: up to 16 pairs of a key and a text, in a JSON object. Pure. */
#ifndef PGBERTH_MODEL_LABELS_H
#define PGBERTH_MODEL_LABELS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define LABEL_KEY_MAX 63
#define LABEL_VALUE_MAX 255

/* Whether a value is a set of labels. ERR_INVALID at `field`, telling which rule it breaks. */
bool labels_check(const json_t *value, const char *field, struct error *err);

/* Whether they have this one: key=value. */
bool labels_have(const json_t *labels, const char *label);

#endif
