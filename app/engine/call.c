/* The API version is the engine's own, but never newer than the newest tested one. */
#include "engine/call.h"

#include <ctype.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/scope.h"
#include "engine/http.h"

/* Newest and oldest API version that the tests have run against (Docker 20.10, 29.7). */
#define API_MINOR_NEWEST 55
#define API_MINOR_OLDEST 41

static struct {
	pthread_mutex_t lock;
	bool is_agreed;
	int minor;
	char engine[40]; /* the engine's own version; "": unknown */
	char why_unknown[200];
} version = { .lock = PTHREAD_MUTEX_INITIALIZER, .minor = API_MINOR_OLDEST };

static int minor_get(void)
{
	int minor;

	pthread_mutex_lock(&version.lock);
	minor = version.minor;
	pthread_mutex_unlock(&version.lock);
	return minor;
}

static void version_keep(int minor, const char *engine, const char *why_unknown)
{
	bool is_new;

	pthread_mutex_lock(&version.lock);
	is_new = !version.is_agreed || version.minor != minor ||
		 strcmp(version.engine, engine) != 0;
	version.is_agreed = true;
	version.minor = minor;
	snprintf(version.engine, sizeof(version.engine), "%s", engine);
	snprintf(version.why_unknown, sizeof(version.why_unknown), "%s", why_unknown);
	pthread_mutex_unlock(&version.lock);
	if (is_new)
		log_info("engine agreed api=1.%d version=%s", minor, LOG_TEXT(engine));
	if (is_new && *why_unknown)
		log_warn("engine version unknown error=%s", LOG_TEXT(why_unknown));
}

/* Copies a text of the version's. */
static const char *version_text(char *ret, const char *text, size_t size)
{
	pthread_mutex_lock(&version.lock);
	memcpy(ret, text, size);
	pthread_mutex_unlock(&version.lock);
	return ret;
}

const char *engine_call_version(void)
{
	static _Thread_local char engine[sizeof(version.engine)];

	return version_text(engine, version.engine, sizeof(engine));
}

const char *engine_call_why_no_version(void)
{
	static _Thread_local char why[sizeof(version.why_unknown)];

	return version_text(why, version.why_unknown, sizeof(why));
}

const char *engine_call_prefix(void)
{
	static _Thread_local char prefix[16];

	snprintf(prefix, sizeof(prefix), "/v1.%d", minor_get());
	return prefix;
}

/* Digits alone; more than fit are ULONG_MAX, which is newer than any version known. */
static bool digits_read(const char **at, unsigned long *ret_number)
{
	char *end;

	if (!isdigit((unsigned char)**at))
		return false;
	*ret_number = strtoul(*at, &end, 10);
	*at = end;
	return true;
}

static bool version_read(const char *text, unsigned long *ret_major,
			 unsigned long *ret_minor)
{
	return digits_read(&text, ret_major) && *text++ == '.' &&
	       digits_read(&text, ret_minor) && !*text;
}

/* The header of a ping tells the engine's newest version, and nothing of its oldest. */
static bool minor_choose(int *ret_minor, struct error *err)
{
	AUTO_REPLY reply = { 0 };
	unsigned long major, minor;

	if (!engine_http("GET", "/_ping", NULL, QUICK_MS, &reply, err))
		return false;
	if (!version_read(reply.api_version, &major, &minor))
		return fail(err, ERR_ENGINE,
			    "the engine's ping (status %d) names no API version",
			    reply.status);
	if (major < 1 || (major == 1 && minor < API_MINOR_OLDEST))
		return fail(err, ERR_ENGINE,
			    "the engine's newest API is %s, and pgberth needs 1.%d or "
			    "later: install Docker 20.10 or later",
			    reply.api_version, API_MINOR_OLDEST);
	*ret_minor =
		major > 1 || minor > API_MINOR_NEWEST ? API_MINOR_NEWEST : (int)minor;
	return true;
}

/* JSON of the reply, NULL if it has none; new reference. */
static json_t *reply_json(const struct engine_reply *reply)
{
	return json_loadb(buf_text(&reply->body), reply->body.length, 0, NULL);
}

/* An engine refuses versions with status 400 and, since Docker 1.12, with these words. */
static bool is_version_refused(const struct engine_reply *reply)
{
	json_auto_t *json = reply->status == 400 ? reply_json(reply) : NULL;

	return json && strstr(engine_message(json), "client version");
}

/* The engine's own version in its answer; "" without, and ret_why says why. */
static const char *version_told(const struct engine_reply *reply, const json_t *json,
				struct error *ret_why)
{
	const char *engine = json_string_value(json_object_get(json, "Version"));

	ret_why->message[0] = '\0';
	if (reply->status == 200 && engine && *engine)
		return engine;
	if (reply->status == 200)
		engine_no_sense(ret_why, "its version");
	else
		engine_refused(ret_why, "tell its version", reply->status, json);
	return "";
}

/* A version that is too old for the engine is found out by a call. An engine that only
 * keeps its own version to itself serves all the same. */
bool engine_call_agree(struct error *err)
{
	json_auto_t *json = NULL;
	AUTO_REPLY reply = { 0 };
	const char *engine;
	struct error why;
	char path[32];
	int minor = 0;

	if (!minor_choose(&minor, err))
		return false;
	snprintf(path, sizeof(path), "/v1.%d/version", minor);
	if (!engine_http("GET", path, NULL, QUICK_MS, &reply, err))
		return false;
	json = reply_json(&reply);
	if (is_version_refused(&reply))
		return fail(err, ERR_ENGINE,
			    "the engine and pgberth, which knows the API from 1.%d to "
			    "1.%d, have no version in common: install a later pgberth "
			    "(the engine says: %s)",
			    API_MINOR_OLDEST, API_MINOR_NEWEST, engine_message(json));
	engine = version_told(&reply, json, &why);
	version_keep(minor, engine, why.message);
	return true;
}

/* Sends a request; to an engine that was replaced by one with other versions, under a
 * version agreed on anew. */
static bool request(const char *method, long timeout_ms, const json_t *body,
		    const char *path, struct engine_reply *ret_reply, struct error *err)
{
	char whole[520];

	snprintf(whole, sizeof(whole), "%s%s", engine_call_prefix(), path);
	if (!engine_http(method, whole, body, timeout_ms, ret_reply, err))
		return false;
	if (!is_version_refused(ret_reply))
		return true;
	if (!engine_call_agree(err))
		return false;
	engine_reply_done(ret_reply);
	snprintf(whole, sizeof(whole), "%s%s", engine_call_prefix(), path);
	return engine_http(method, whole, body, timeout_ms, ret_reply, err);
}

bool engine_call_raw(const char *path, long timeout_ms, struct engine_reply *ret_reply,
		     struct error *err)
{
	return request("GET", timeout_ms, NULL, path, ret_reply, err);
}

bool engine_call(const char *method, long timeout_ms, const json_t *body, int *ret_status,
		 json_t **ret_json, struct error *err, const char *fmt, ...)
{
	AUTO_REPLY reply = { 0 };
	char path[480];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(path, sizeof(path), fmt, ap);
	va_end(ap);
	if (!request(method, timeout_ms, body, path, &reply, err))
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
