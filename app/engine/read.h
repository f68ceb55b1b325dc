/* Reads the engine's answers into the calls' results; an answer without sense is told
 * apart from a refusal. For engine/ alone. Pure. */
#ifndef PGBERTH_ENGINE_READ_H
#define PGBERTH_ENGINE_READ_H

#include <jansson.h>

#include "base/buf.h"
#include "engine/container.h"

/* A member's text, "" if it is not a string. Borrowed. */
const char *string_at(const json_t *json, const char *key);

/* Reads an inspection; false when a part is missing, since a running server must not look
 * stopped. */
bool container_from_inspect(struct container *ret, const json_t *json);

/* Reads a row of a list of containers; false when it makes no sense. */
bool container_from_list(struct container *ret, const json_t *json);

/* Appends the payload of a log's frames; false without memory. */
bool frames_unpack(const struct buf *frames, struct buf *log);

/* Reads a line of the event stream; false when it is about no instance. */
bool event_from_line(struct container_event *ret, const char *line, size_t length);

#endif
