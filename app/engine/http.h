/* HTTP over the engine's unix socket: a method, a path and JSON in, a whole reply out,
 * always within the given time. Knows nothing of the Engine API. */
#ifndef PGBERTH_ENGINE_HTTP_H
#define PGBERTH_ENGINE_HTTP_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

struct engine_reply {
	int status;	      /* status of HTTP */
	struct buf body;      /* at most 4 MiB */
	char api_version[40]; /* the header Api-Version; "" without */
};

/* Main thread, once, before any other thread. socket_path is borrowed for ever. */
bool engine_http_init(const char *socket_path, struct error *err);

/*
 * Makes a call. body may be NULL (borrowed), path begins with '/'. Fails (ERR_ENGINE)
 * only when no whole reply came: a status of 500 is a reply. End ret_reply with
 * engine_reply_done() in either case. Any thread: each has a handle of its own, which
 * ends with it.
 */
bool engine_http(const char *method, const char *path, const json_t *body,
		 long timeout_ms, struct engine_reply *ret_reply, struct error *err);

void engine_reply_done(struct engine_reply *reply);

#define AUTO_REPLY __attribute__((cleanup(engine_reply_done))) struct engine_reply

/* Percent-encodes a query's value. Caller frees; NULL without memory. */
char *engine_http_escape(const char *value);

/* Path of the engine's socket, for the event stream. */
const char *engine_http_socket(void);

/*
 * Tells whether the engine is silent. If it is, each call under way fails at once, and
 * each new one too unless the engine answers a ping within a second. Calls of the thread
 * that called engine_http_scout() are exempt: that thread finds out.
 */
void engine_http_give_up(bool given_up);
void engine_http_scout(void);

#endif
