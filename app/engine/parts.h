/* What the parts of the engine module share; nobody else includes it. */
#ifndef PGBERTH_ENGINE_PARTS_H
#define PGBERTH_ENGINE_PARTS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

#define QUICK_MS 12000 /* inspect, list, remove a stopped one */
#define SLOW_MS 60000  /* create and start, with many at once */

/*
 * One call under the agreed API version, to a path made by printf. *ret_json gets what
 * came (a new reference, may be NULL), a status of 400 or more is left to the caller.
 * Any thread.
 */
__attribute__((format(printf, 7, 8))) bool engine_call(
	const char *method, long timeout_ms, const json_t *body, int *ret_status,
	json_t **ret_json, struct error *err, const char *fmt, ...);

/* Fails as the engine said: ERR_NO_SPACE where that is what it meant, else ERR_ENGINE. */
bool engine_refused(struct error *err, const char *what, int status, const json_t *json);

#endif
