/* Each thread has an easy handle of libcurl, which ends with the thread. */
#include "engine/http.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/scope.h"

#define CONNECT_TIMEOUT_MS 5000
#define LAST_PING_MS 1000
#define REPLY_MAX (4 * 1024 * 1024) /* room for a list of some 2,500 containers */

static const char *socket_of_engine;
static pthread_key_t handle_key; /* key of each thread's handle */
static _Thread_local bool is_scout;
static atomic_bool is_given_up;

bool engine_http_init(const char *socket_path, struct error *err)
{
	socket_of_engine = socket_path;
	return (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK &&
		pthread_key_create(&handle_key, curl_easy_cleanup) == 0) ||
	       fail(err, ERR_INTERNAL, "libcurl cannot be initialised");
}

const char *engine_http_socket(void)
{
	return socket_of_engine;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
	struct engine_reply *reply = user;

	return buf_append(&reply->body, data, size * count) ? count : 0;
}

void engine_http_scout(void)
{
	is_scout = true;
}

void engine_http_give_up(bool given_up)
{
	atomic_store(&is_given_up, given_up);
}

/* libcurl calls this about once a second; a result other than 0 ends the call. */
static int on_progress(void *user, curl_off_t down_total, curl_off_t down,
		       curl_off_t up_total, curl_off_t up)
{
	(void)user, (void)down_total, (void)down, (void)up_total, (void)up;
	return !is_scout && atomic_load(&is_given_up);
}

/* The thread's handle, reset; NULL without memory. */
static CURL *handle_get(void)
{
	CURL *handle = pthread_getspecific(handle_key);

	if (handle) {
		curl_easy_reset(handle);
		return handle;
	}
	handle = curl_easy_init();
	if (pthread_setspecific(handle_key, handle) == 0)
		return handle;
	curl_easy_cleanup(handle);
	return NULL;
}

/* False without memory: a request with only some of its options could go anywhere. */
static bool handle_set(CURL *handle, const char *method, const char *url,
		       const char *body, struct curl_slist *headers, long timeout_ms,
		       struct engine_reply *reply, char *problem)
{
	bool ok = headers != NULL;

#define SET(option, value)                                                               \
	(ok = ok && curl_easy_setopt(handle, CURLOPT_##option, value) == CURLE_OK)
	SET(UNIX_SOCKET_PATH, socket_of_engine);
	SET(URL, url);
	SET(CUSTOMREQUEST, method);
	SET(PROXY, "");
	SET(NOSIGNAL, 1L);
	/* Connections are closed after use: idle ones would hold 96 descriptors and break
	 * when the engine restarts. */
	SET(FORBID_REUSE, 1L);
	SET(CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
	SET(TIMEOUT_MS, timeout_ms);
	SET(HTTPHEADER, headers);
	SET(WRITEFUNCTION, on_body);
	SET(WRITEDATA, reply);
	SET(ERRORBUFFER, problem);
	SET(XFERINFOFUNCTION, on_progress);
	SET(NOPROGRESS, 0L);
	if (strcmp(method, "POST") == 0)
		SET(POSTFIELDS, body);
#undef SET
	return ok;
}

/* libcurl cuts off the spaces around a value. */
static void header_get(CURL *handle, const char *name, char *ret_value, size_t size)
{
	struct curl_header *header;
	bool found =
		curl_easy_header(handle, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK;

	snprintf(ret_value, size, "%s", found ? header->value : "");
}

/* Pings an engine that was given up before a call to it is refused. */
static bool is_back(void)
{
	AUTO_REPLY reply = { 0 };
	struct error ignored;
	bool back;

	is_scout = true;
	back = engine_http("GET", "/_ping", NULL, LAST_PING_MS, &reply, &ignored);
	is_scout = false;
	if (back)
		engine_http_give_up(false);
	return back;
}

bool engine_http(const char *method, const char *path, const json_t *body,
		 long timeout_ms, struct engine_reply *ret_reply, struct error *err)
{
	AUTO_BUF text = { 0 };
	char problem[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers;
	CURL *handle;
	CURLcode code;
	char url[512];
	long status = 0;

	*ret_reply = (struct engine_reply){ .body.max = REPLY_MAX };
	if (!is_scout && atomic_load(&is_given_up) && !is_back())
		return fail(err, ERR_ENGINE, "the container engine is silent");
	handle = handle_get();
	if (!handle || (body && !buf_json(&text, body, JSON_COMPACT)))
		return fail(err, ERR_INTERNAL, "out of memory");
	snprintf(url, sizeof(url), "http://engine%s", path);
	headers = curl_slist_append(NULL, "Content-Type: application/json");
	code = CURLE_OUT_OF_MEMORY;
	if (handle_set(handle, method, url, buf_text(&text), headers, timeout_ms,
		       ret_reply, problem))
		code = curl_easy_perform(handle);
	curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
	header_get(handle, "Api-Version", ret_reply->api_version,
		   sizeof(ret_reply->api_version));
	curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, NULL);
	curl_slist_free_all(headers);
	if (code == CURLE_ABORTED_BY_CALLBACK)
		return fail(err, ERR_ENGINE, "the container engine is silent");
	if (code == CURLE_OUT_OF_MEMORY)
		return fail(err, ERR_INTERNAL, "out of memory");
	if (code != CURLE_OK)
		return fail(err, ERR_ENGINE, "the container engine does not answer: %s",
			    problem[0] ? problem : curl_easy_strerror(code));
	ret_reply->status = (int)status;
	return true;
}

void engine_reply_done(struct engine_reply *reply)
{
	buf_done(&reply->body);
}

char *engine_http_escape(const char *value)
{
	char *escaped = curl_easy_escape(NULL, value, 0);
	char *copy = escaped ? strdup(escaped) : NULL;

	curl_free(escaped);
	return copy;
}
