/* HTTP over the engine's unix socket: a method, a path and JSON in, a whole reply out,
 * always within the given time. Knows nothing of the Engine API. */
#ifndef PGBERTH_ENGINE_HTTP_H
#define PGBERTH_ENGINE_HTTP_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

struct engine_reply {
	int status;	      /* HTTP's */
	struct buf body;      /* at most 4 MiB */
	char api_version[16]; /* the header Api-Version; "" without */
};

/* Main thread, once, before any other thread. socket_path is borrowed for ever. */
bool engine_http_init(const char *socket_path, struct error *err);

/*
 * One exchange. body may be NULL (borrowed). path begins with '/'. Fails only when no
 * whole reply came (ERR_ENGINE): a status of 500 is a reply. End ret_reply with
 * engine_reply_done() in either case. Any thread: each has a handle of its own, which
 * ends with it.
 */
bool engine_http(const char *method, const char *path, const json_t *body,
		 long timeout_ms, struct engine_reply *ret_reply, struct error *err);

void engine_reply_done(struct engine_reply *reply);

#define AUTO_REPLY __attribute__((cleanup(engine_reply_done))) struct engine_reply

/* A query's value, percent-encoded. Caller frees; NULL without memory. */
char *engine_http_escape(const char *value);

/* The engine's socket, for the event stream. */
const char *engine_http_socket(void);

/*
 * Whether the engine has been found silent. Then every call under way fails at once, and
 * every new one unless the engine answers it a ping within a second, but for those of
 * the calling thread of engine_http_scout(), which finds out.
 */
void engine_http_give_up(bool given_up);
void engine_http_scout(void);

#endif
