/* The engine's answers, read into what the calls return; an answer that makes no sense
 * is told apart from one that says no. For engine/ alone. Pure. */
#ifndef PGBERTH_ENGINE_READ_H
#define PGBERTH_ENGINE_READ_H

#include <jansson.h>

#include "base/buf.h"
#include "engine/container.h"
#include "model/config.h"

/* Main thread, once; borrowed for ever. */
void engine_read_init(const struct config *cfg);

/* A member's text, "" when it is none. Borrowed. */
const char *string_at(const json_t *json, const char *key);

/* Of an inspection; false when half of it is missing, which must not make a running
 * server look stopped. */
bool container_from_inspect(struct container *ret, const json_t *json);

/* Of a row of a list of ours; false when it makes no sense. */
bool container_from_list(struct container *ret, const json_t *json);

/* What is in a log stream's frames; false without memory. */
bool frames_unpack(const struct buf *frames, struct buf *log);

/* Of a line of the event stream; false when it is about no instance. */
bool event_from_line(struct container_event *ret, const char *line, size_t length);

#endif
