/* Calls to the engine under the agreed API version, and the meanings of its refusals. For
 * engine/ alone. Any thread. */
#ifndef PGBERTH_ENGINE_CALL_H
#define PGBERTH_ENGINE_CALL_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define QUICK_MS 12000 /* to inspect, list, remove a stopped one */
#define SLOW_MS 60000  /* to create and start, with many at once */

struct engine_reply;

/* Agrees on an API version with the engine. Errors: ERR_ENGINE when it is too old, or too
 * new for this pgberth. */
bool engine_call_agree(struct error *err);

/* The engine's own version as of the last agreement, such as "28.5.2"; "": unknown. */
const char *engine_call_version(void);

/* The reason why it is unknown; "": it is known. */
const char *engine_call_why_no_version(void);

/* The beginning of all paths, like "/v1.41". */
const char *engine_call_prefix(void);

/* Makes a call to a path made by printf. *ret_json gets the reply's JSON (a new
 * reference, may be NULL); the caller handles a status of 400 or more. */
__attribute__((format(printf, 7, 8))) bool engine_call(
	const char *method, long timeout_ms, const json_t *body, int *ret_status,
	json_t **ret_json, struct error *err, const char *fmt, ...);

/* Gets a path whose reply is not JSON. End ret_reply with engine_reply_done() in either
 * case. */
bool engine_call_raw(const char *path, long timeout_ms, struct engine_reply *ret_reply,
		     struct error *err);

/* The engine's message in a refusal. Borrowed. */
const char *engine_message(const json_t *json);

/* Fails with the engine's message: ERR_NO_SPACE if it reports that something is used up,
 * else ERR_ENGINE. */
bool engine_refused(struct error *err, const char *what, int status, const json_t *json);

/* Fails because the answer lacks a part that it must have. */
bool engine_no_sense(struct error *err, const char *what);

/* True when the engine itself says that the container does not exist: the 404 of a proxy,
 * for example, proves nothing. */
bool engine_is_absent(int status, const json_t *json);

#endif
