/* The API version is the engine's own, but never newer than the newest tested one. */
#include "engine/call.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "engine/http.h"

/* Newest API version that the tests have run against. */
#define API_MINOR_NEWEST 41
#define API_MINOR_OLDEST 41

static pthread_mutex_t version_lock = PTHREAD_MUTEX_INITIALIZER;
static char version_prefix[16] = "/v1.41"; /* guarded by version_lock */

const char *engine_call_prefix(void)
{
	static _Thread_local char prefix[sizeof(version_prefix)];

	pthread_mutex_lock(&version_lock);
	memcpy(prefix, version_prefix, sizeof(prefix));
	pthread_mutex_unlock(&version_lock);
	return prefix;
}

bool engine_call_agree(struct error *err)
{
	AUTO_REPLY reply = { 0 };
	int major = 0, minor = 0;

	if (!engine_http("GET", "/_ping", NULL, QUICK_MS, &reply, err))
		return false;
	if (sscanf(reply.api_version, "%d.%d", &major, &minor) != 2 || major != 1 ||
	    minor < API_MINOR_OLDEST)
		return fail(err, ERR_ENGINE, "the engine's API %s is older than 1.%d",
			    reply.api_version, API_MINOR_OLDEST);
	if (minor > API_MINOR_NEWEST)
		minor = API_MINOR_NEWEST;
	pthread_mutex_lock(&version_lock);
	snprintf(version_prefix, sizeof(version_prefix), "/v1.%d", minor);
	pthread_mutex_unlock(&version_lock);
	return true;
}

/* JSON of the reply, NULL if it has none; new reference. */
static json_t *reply_json(const struct engine_reply *reply)
{
	return json_loadb(buf_text(&reply->body), reply->body.length, 0, NULL);
}

bool engine_call(const char *method, long timeout_ms, const json_t *body, int *ret_status,
		 json_t **ret_json, struct error *err, const char *fmt, ...)
{
	AUTO_REPLY reply = { 0 };
	char path[480];
	size_t used;
	va_list ap;

	used = (size_t)snprintf(path, sizeof(path), "%s", engine_call_prefix());
	va_start(ap, fmt);
	vsnprintf(path + used, sizeof(path) - used, fmt, ap);
	va_end(ap);
	if (!engine_http(method, path, body, timeout_ms, &reply, err))
		return false;
	*ret_status = reply.status;
	*ret_json = reply_json(&reply);
	return true;
}

const char *engine_message(const json_t *json)
{
	const char *message = json_string_value(json_object_get(json, "message"));

	return message ? message : "no reason given";
}

bool engine_refused(struct error *err, const char *what, int status, const json_t *json)
{
	/*
	 * The last three report that addresses, bridges' subnets or a bridge's 1,023
	 * ports are used up.
	 */
	static const char *const full[] = { "no space left on device",
					    "no available IPv4 addresses",
					    "non-overlapping IPv4 address pool",
					    "exchange full" };
	enum error_code code = ERR_ENGINE;

	for (size_t i = 0; i < COUNT_OF(full); i++)
		if (strstr(engine_message(json), full[i]))
			code = ERR_NO_SPACE;
	return fail(err, code, "the engine cannot %s: %s (status %d)", what,
		    engine_message(json), status);
}

bool engine_no_sense(struct error *err, const char *what)
{
	return fail(err, ERR_ENGINE, "the engine's answer makes no sense: %s", what);
}

bool engine_is_absent(int status, const json_t *json)
{
	return status == 404 && strstr(engine_message(json), "No such container");
}
