/* Makes answers, for the api*.c files only. */
#ifndef PGBERTH_DAEMON_API_PARTS_H
#define PGBERTH_DAEMON_API_PARTS_H

#include "daemon/call.h"
#include "instance/index.h"

/* Answers 200 with json, which is taken; NULL counts as out of memory. */
bool answer(struct call *call, json_t *json, struct error *err);
bool answer_view(struct call *call, const struct view *view, struct error *err);

/* Renders an instance, with status. New reference; NULL without memory. */
json_t *view_to_json(const struct view *view);

/* Render a text, as the caller may read it, and a time: new references; null for "" and
 * for 0 seconds since 1970. */
json_t *text_or_null(const char *text);
json_t *time_or_null(long long seconds);

#endif
