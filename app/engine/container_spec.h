/* Descriptions of instances' containers for the engine: their rights, limits, mounts and
 * the labels by which they are found. For engine/ alone. */
#ifndef PGBERTH_ENGINE_CONTAINER_SPEC_H
#define PGBERTH_ENGINE_CONTAINER_SPEC_H

#include <jansson.h>

#include "base/error.h"
#include "engine/container.h"

/* Containers are named by this prefix and the storage_dir, so that the engine refuses a
 * second one. */
#define CONTAINER_PREFIX "pgberth-"

/* Reads the seccomp profile. Main thread. */
bool engine_spec_init(struct error *err);

/* New references; NULL without memory. */
json_t *engine_spec_to_json(const struct container_spec *spec);
json_t *engine_spec_limits(const struct record *record);

/* {"label": ["pgberth.root=…"]}, percent-encoded for a query, with the label of an
 * instance unless storage_dir is "". Caller frees; NULL without memory. */
char *engine_spec_filters(const char *storage_dir);

#endif
