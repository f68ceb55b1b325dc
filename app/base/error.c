/* Errors: one table says what each code is in HTTP. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"

/* Only what passes by itself tells when to try again. */
static const struct {
	int status;
	const char *slug;
	int retry_after;
} http_of[] = {
	[ERR_INTERNAL] = { 500, "internal", 0 },
	[ERR_UNREADABLE] = { 400, "unreadable", 0 },
	[ERR_UNAUTHORIZED] = { 401, "unauthorized", 0 },
	[ERR_FORBIDDEN] = { 403, "forbidden", 0 },
	[ERR_NOT_FOUND] = { 404, "not_found", 0 },
	[ERR_METHOD] = { 405, "method_not_allowed", 0 },
	[ERR_PORT_IN_USE] = { 409, "port_in_use", 0 },
	[ERR_ALREADY_EXISTS] = { 409, "already_exists", 0 },
	[ERR_BUSY] = { 409, "busy", 0 },
	[ERR_FOREIGN_DATA] = { 409, "foreign_data", 0 },
	[ERR_NOT_RUNNING] = { 409, "not_running", 0 },
	[ERR_TOO_LARGE] = { 413, "too_large", 0 },
	[ERR_MEDIA_TYPE] = { 415, "unsupported_media_type", 0 },
	[ERR_INVALID] = { 422, "invalid", 0 },
	[ERR_TOO_MANY] = { 429, "too_many_requests", 1 },
	[ERR_TOO_MANY_FAILURES] = { 429, "too_many_requests", 60 },
	[ERR_ENGINE] = { 503, "engine_unavailable", 5 },
	[ERR_IMAGE_MISSING] = { 503, "image_missing", 0 },
	[ERR_SERVER] = { 503, "server_unavailable", 0 },
	[ERR_SERVER_FULL] = { 503, "server_unavailable", 5 },
	[ERR_PASSWORD] = { 503, "server_unavailable", 5 },
	[ERR_LOCKED] = { 503, "server_unavailable", 5 },
	[ERR_STARTING] = { 503, "starting", 1 },
	[ERR_TOKENS] = { 503, "tokens_unreadable", 0 },
	[ERR_NO_SPACE] = { 507, "no_space", 0 },
	[ERR_NO_FREE_PORT] = { 507, "no_free_port", 0 },
};

static bool fail_v(struct error *err, enum error_code code, const char *field,
		   const char *fmt, va_list ap)
{
	err->code = code;
	snprintf(err->field, sizeof(err->field), "%s", field);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	return false;
}

bool fail(struct error *err, enum error_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_v(err, code, "", fmt, ap);
	va_end(ap);
	return false;
}

bool fail_at(struct error *err, enum error_code code, const char *field, const char *fmt,
	     ...)
{
	va_list ap;

	va_start(ap, fmt);
	fail_v(err, code, field, fmt, ap);
	va_end(ap);
	return false;
}

static bool is_plain(const char *name)
{
	for (const char *at = name; *at; at++)
		if (*at < ' ' || *at >= 0x7f || strchr("\"'{}:", *at))
			return false;
	return *name;
}

bool fail_field(struct error *err, const char *field, const char *fmt, ...)
{
	bool plain = is_plain(field);
	va_list ap;
	size_t used;

	fail_at(err, ERR_INVALID, plain ? field : "", "%.63s ", plain ? field : "a key");
	used = strlen(err->message);
	va_start(ap, fmt);
	vsnprintf(err->message + used, sizeof(err->message) - used, fmt, ap);
	va_end(ap);
	return false;
}

/* Adds what its unit may have to do with it, since the error blames the host. systemd
 * gives a unit of type notify both variables (systemd.exec(5)). */
static void unit_explain(struct error *err, int number)
{
	static const struct {
		int number;
		const char *place, *hint;
	} hidden[] = {
		{ EROFS, "", "pgberthd may write only below its unit's ReadWritePaths=" },
		{ ENOENT, "/home/", "pgberthd's unit hides /home (ProtectHome=)" },
		{ ENOENT, "/root/", "pgberthd's unit hides /root (ProtectHome=)" },
		{ ENOENT, "/run/user/", "pgberthd's unit hides it (ProtectHome=)" },
		{ ENOENT, "/tmp/",
		  "pgberthd's unit has a /tmp of its own (PrivateTmp=)" },
	};
	size_t used = strlen(err->message);

	if (!getenv("INVOCATION_ID") || !getenv("NOTIFY_SOCKET"))
		return; /* the first alone may come from a person's session */
	for (size_t i = 0; i < COUNT_OF(hidden); i++)
		if (hidden[i].number == number && strstr(err->message, hidden[i].place)) {
			snprintf(err->message + used, sizeof(err->message) - used,
				 "; %s, see pgberthd(8)", hidden[i].hint);
			return;
		}
}

bool fail_errno(struct error *err, const char *fmt, ...)
{
	int number = errno;
	bool full = number == ENOSPC || number == EDQUOT;
	va_list ap;
	size_t used;

	va_start(ap, fmt);
	fail_v(err, full ? ERR_NO_SPACE : ERR_INTERNAL, "", fmt, ap);
	va_end(ap);
	used = strlen(err->message);
	snprintf(err->message + used, sizeof(err->message) - used, ": %s",
		 strerrordesc_np(number));
	unit_explain(err, number);
	return false;
}

bool fail_because(struct error *err, const char *fmt, ...)
{
	char cause[sizeof(err->message)];
	va_list ap;
	size_t used;

	snprintf(cause, sizeof(cause), "%s", err->message);
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	used = strlen(err->message);
	snprintf(err->message + used, sizeof(err->message) - used, ": %s", cause);
	return false;
}

int error_status(enum error_code code)
{
	return http_of[code].status;
}

const char *error_slug(enum error_code code)
{
	return http_of[code].slug;
}

int error_retry_after(enum error_code code)
{
	return http_of[code].retry_after;
}
