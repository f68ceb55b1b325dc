/* Parameters come from nginx, bodies and answers go through libfcgi's streams. */
#include "daemon/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "base/deadline.h"
#include "base/scope.h"
#include "model/caller.h"

#define SEND_MS 10000 /* limit for sending a whole answer */
#define CHUNK 4096    /* less than libfcgi's buffer: at most one write each */

static const char *param(const FCGX_Request *fcgi, const char *name)
{
	const char *value = FCGX_GetParam(name, fcgi->envp);

	return value ? value : "";
}

static bool length_parse(size_t *ret_length, const char *text, struct error *err)
{
	unsigned long long length;

	if (strspn(text, "0123456789") != strlen(text) || strlen(text) > 18)
		return fail(err, ERR_UNREADABLE, "Content-Length is not a number");
	length = strtoull(text, NULL, 10); /* nginx sends an empty text for no body: 0 */
	if (length > BODY_MAX)
		return fail(err, ERR_TOO_LARGE, "the body is larger than %d bytes",
			    BODY_MAX);
	*ret_length = (size_t)length;
	return true;
}

static bool body_read(struct buf *body, FCGX_Request *fcgi, struct error *err)
{
	size_t length = 0;

	if (!length_parse(&length, param(fcgi, "CONTENT_LENGTH"), err))
		return false;
	while (body->length < length) {
		char chunk[CHUNK];
		size_t want = length - body->length;
		int got = FCGX_GetStr(chunk, want < CHUNK ? (int)want : CHUNK, fcgi->in);
		bool ok = got <= 0 || buf_append(body, chunk, (size_t)got);

		explicit_bzero(chunk, sizeof(chunk));
		if (got <= 0)
			return fail(err, ERR_UNREADABLE, "the body ends too early");
		if (!ok)
			return fail(err, ERR_INTERNAL, "out of memory");
	}
	return true;
}

void request_begin(struct request *ret_req, FCGX_Request *fcgi)
{
	*ret_req = (struct request){
		.fcgi = fcgi,
		.id = param(fcgi, "REQUEST_ID"),
		.method = param(fcgi, "REQUEST_METHOD"),
		.path = param(fcgi, "DOCUMENT_URI"),
		.query = param(fcgi, "QUERY_STRING"),
		.content_type = param(fcgi, "CONTENT_TYPE"),
		.content_encoding = param(fcgi, "HTTP_CONTENT_ENCODING"),
		.remote_addr = param(fcgi, "REMOTE_ADDR"),
		.host = param(fcgi, "HTTP_HOST"),
		.origin = param(fcgi, "HTTP_ORIGIN"),
		.sec_fetch_site = param(fcgi, "HTTP_SEC_FETCH_SITE"),
		.authorization = param(fcgi, "HTTP_AUTHORIZATION"),
	};
	if (strcmp(ret_req->method, "HEAD") == 0)
		ret_req->method = "GET";
}

bool request_read_body(struct request *req, struct error *err)
{
	return body_read(&req->body, req->fcgi, err);
}

/* Parameters hold tokens, and passwords that somebody put into the path. libfcgi frees
 * them as they are. */
void request_done(struct request *req)
{
	for (char **each = req->fcgi->envp; each && *each; each++)
		explicit_bzero(*each, strlen(*each));
	buf_done(&req->body);
}

/* Each write may take the time that is left for the whole answer (socket(7)), so that a
 * peer that reads a little now and then gains no time. */
static bool patience_set(int fd, long long deadline_ms)
{
	int left_ms = deadline_left_ms(deadline_ms);
	struct timeval left = { left_ms / 1000, left_ms % 1000 * 1000 };

	return left_ms > 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &left, sizeof(left)) == 0;
}

static bool send_bytes(FCGX_Request *fcgi, const char *data, size_t length,
		       long long deadline_ms)
{
	while (length > 0) {
		int chunk = length > CHUNK ? CHUNK : (int)length;

		if (!patience_set(fcgi->ipcFd, deadline_ms) ||
		    FCGX_PutStr(data, chunk, fcgi->out) != chunk)
			return false;
		data += chunk;
		length -= (size_t)chunk;
	}
	return true;
}

/* Ends the streams in the order of FCGX_Finish_r(), which would not report a failure. */
static bool send_end(FCGX_Request *fcgi, long long deadline_ms)
{
	return patience_set(fcgi->ipcFd, deadline_ms) && FCGX_FClose(fcgi->err) == 0 &&
	       FCGX_FClose(fcgi->out) == 0;
}

/* The head needs no memory, so that even "out of memory" can be answered. */
static bool head_send(const struct response *res, int status, size_t length,
		      FCGX_Request *fcgi, long long deadline_ms)
{
	const char *challenge =
		status == 401 ? "WWW-Authenticate: Bearer realm=\"pgberth\"\r\n" : "";
	char head[512], allow[100] = "", retry[40] = "";
	int used;

	if (res->allow[0])
		snprintf(allow, sizeof(allow), "Allow: %s\r\n", res->allow);
	if (res->retry_after)
		snprintf(retry, sizeof(retry), "Retry-After: %d\r\n", res->retry_after);
	used = snprintf(
		head, sizeof(head),
		"Status: %d\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s%s"
		"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n",
		status, res->text_type ? res->text_type : "application/json", length,
		allow, retry, challenge);
	return send_bytes(fcgi, head, (size_t)used, deadline_ms);
}

bool response_send(const struct response *res, FCGX_Request *fcgi, struct error *err)
{
	static const char no_memory[] =
		"{\"status\":\"ERROR\",\"error\":{\"code\":\"internal\","
		"\"message\":\"out of memory\"}}";
	AUTO_BUF json = { 0 };
	long long deadline_ms = deadline_in_ms(SEND_MS);
	bool has_body = strcmp(param(fcgi, "REQUEST_METHOD"), "HEAD") != 0;
	const char *body = buf_text(&res->text);
	size_t length = res->text.length;
	int status = res->status;

	if (!res->text_type) {
		bool ok = buf_json(&json, res->json,
				   JSON_COMPACT | JSON_REAL_PRECISION(15));

		status = ok ? status : 500;
		body = ok ? buf_text(&json) : no_memory;
		length = strlen(body);
	}
	if (head_send(res, status, length, fcgi, deadline_ms) &&
	    (!has_body || send_bytes(fcgi, body, length, deadline_ms)) &&
	    send_end(fcgi, deadline_ms))
		return true;
	/* Without this, libfcgi would wait again to send what it still holds. */
	shutdown(fcgi->ipcFd, SHUT_RDWR);
	if (deadline_passed(deadline_ms))
		return fail(err, ERR_INTERNAL,
			    "the peer did not take the answer within %d s",
			    SEND_MS / 1000);
	return fail(err, ERR_INTERNAL, "the peer is gone");
}

void response_done(struct response *res)
{
	json_decref(res->json);
	res->json = NULL;
	buf_done(&res->text);
}

json_t *error_to_json(const struct error *err)
{
	return json_pack("{s:s, s:o, s:o*}", "code", error_slug(err->code), "message",
			 caller_text(err->message), "field",
			 *err->field ? json_string(err->field) : NULL);
}

void response_fail(struct response *res, const struct request *req,
		   const struct error *err)
{
	json_decref(res->json);
	res->text_type = NULL;
	res->status = error_status(err->code);
	res->retry_after = error_retry_after(err->code);
	res->json = json_pack("{s:s, s:o, s:s}", "status", "ERROR", "error",
			      error_to_json(err), "request_id", req->id);
}
