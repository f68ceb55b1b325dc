/* One exchange with the engine under the API version that was agreed on, and what its
 * refusals mean. For engine/ alone. Any thread. */
#ifndef PGBERTH_ENGINE_CALL_H
#define PGBERTH_ENGINE_CALL_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define QUICK_MS 12000 /* inspect, list, remove a stopped one */
#define SLOW_MS 60000  /* create and start, with many at once */

/* Agrees on a version with the engine. ERR_ENGINE: it is too old. */
bool engine_call_agree(struct error *err);

/* "/v1.41"-like: what the paths begin with. */
const char *engine_call_prefix(void);

/* One call to a path made by printf. *ret_json gets what came (a new reference, may be
 * NULL), a status of 400 or more is left to the caller. */
__attribute__((format(printf, 7, 8))) bool engine_call(
	const char *method, long timeout_ms, const json_t *body, int *ret_status,
	json_t **ret_json, struct error *err, const char *fmt, ...);

/* The engine's words in a refusal. Borrowed. */
const char *engine_message(const json_t *json);

/* Fails as the engine said: ERR_NO_SPACE where that is what it meant, else ERR_ENGINE. */
bool engine_refused(struct error *err, const char *what, int status, const json_t *json);

/* Fails: the answer lacks what it must have. */
bool engine_no_sense(struct error *err, const char *what);

/* There is no such container, in the engine's own words: a proxy's 404, say, proves
 * nothing. */
bool engine_is_absent(int status, const json_t *json);

#endif
