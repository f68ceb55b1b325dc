/*
 * Reads requests from FastCGI and sends responses. A response is complete before its
 * first byte is sent, so its status can change until then.
 */
#ifndef PGBERTH_DAEMON_HTTP_H
#define PGBERTH_DAEMON_HTTP_H

#include <fcgiapp.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

#define BODY_MAX (16 * 1024)

/* Strings are borrowed from the FastCGI parameters and never NULL. */
struct request {
	FCGX_Request *fcgi;
	const char *id;
	const char *method; /* GET for a HEAD */
	const char *path;   /* decoded and normalised by nginx */
	const char *query;
	const char *content_type;
	const char *content_encoding;
	const char *remote_addr;
	const char *host;
	const char *origin;
	const char *sec_fetch_site;
	const char *authorization;
	struct buf body;
};

struct response {
	int status;
	json_t *json;	       /* owned; the answer unless text_type is set */
	struct buf text;       /* the answer if text_type is set */
	const char *text_type; /* its media type, borrowed */
	char allow[64];
	int retry_after; /* seconds, 0: no header */
};

/* Fills *ret_req from fcgi, but for its body; end it with request_done(). Only for the
 * worker that accepted fcgi. */
void request_begin(struct request *ret_req, FCGX_Request *fcgi);

/* Reads the body, exactly CONTENT_LENGTH bytes. Errors: ERR_TOO_LARGE, ERR_UNREADABLE. */
bool request_read_body(struct request *req, struct error *err);
void request_done(struct request *req);

/*
 * Sends the whole answer. Errors: ERR_INTERNAL when the peer is gone or has not taken it
 * within 10 s, so that no peer holds a worker. The connection cannot be used then.
 */
bool response_send(const struct response *res, FCGX_Request *fcgi, struct error *err);
void response_done(struct response *res);

/* Renders an error as the caller may read it. New reference; NULL without memory. */
json_t *error_to_json(const struct error *err);

/* Makes the answer that reports an error. */
void response_fail(struct response *res, const struct request *req,
		   const struct error *err);

#endif
