/* The stream is read by a multi handle of libcurl, so that its thread can be woken. */
#include "engine/events.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/deadline.h"
#include "base/log.h"
#include "base/scope.h"
#include "engine/call.h"
#include "engine/container_spec.h"
#include "engine/engine.h"
#include "engine/http.h"
#include "engine/read.h"

#define LINE_MAX_BYTES (256 * 1024)
#define POLL_MS 1000
#define LOOK_AT_ALL_MS 30000
#define PING_EVERY_MS 5000
#define RETRY_MS 1000
#define SILENCES_MAX 2 /* missed in a row: a busy engine may miss one */

static struct {
	const struct engine_listener *listener;
	pthread_t thread;
	CURLM *multi;
	atomic_bool is_stopping;
	atomic_bool is_up;
	int silences; /* missed pings, counted by the events thread alone */
} stream;

static struct {
	pthread_mutex_t lock;
	struct error why; /* guarded by lock */
} away = { .lock = PTHREAD_MUTEX_INITIALIZER,
	   .why.message = "pgberthd has not reached the engine yet" };

void engine_why_away(struct error *ret)
{
	pthread_mutex_lock(&away.lock);
	*ret = away.why;
	pthread_mutex_unlock(&away.lock);
}

static void why_keep(const char *why)
{
	pthread_mutex_lock(&away.lock);
	fail(&away.why, ERR_ENGINE, "%s", why);
	pthread_mutex_unlock(&away.lock);
}

bool engine_is_up(void)
{
	return atomic_load(&stream.is_up);
}

static void line_read(const char *line, size_t length)
{
	struct container_event event;

	if (event_from_line(&event, line, length))
		stream.listener->on_event(&event);
}

/* Pieces of the stream end anywhere; a line too long for the engine ends the stream. */
static size_t on_bytes(char *data, size_t size, size_t count, void *user)
{
	struct buf *pending = user;
	char *line, *end;

	if (!buf_append(pending, data, size * count))
		return 0;
	line = pending->data;
	while ((end = memchr(line, '\n',
			     (size_t)(pending->data + pending->length - line)))) {
		line_read(line, (size_t)(end - line));
		line = end + 1;
	}
	pending->length = (size_t)(pending->data + pending->length - line);
	memmove(pending->data, line, pending->length + 1);
	return count;
}

/* The stream's path, for containers of this pgberth. Caller frees; NULL without
 * memory. */
static char *stream_url(void)
{
	AUTO_FREE char *filters = engine_spec_filters("");
	AUTO_BUF path = { 0 };

	if (!filters || !buf_printf(&path, "http://engine%s/events?filters=%s",
				    engine_call_prefix(), filters))
		return NULL;
	return strdup(path.data);
}

static CURL *stream_handle(const char *url, struct buf *pending)
{
	CURL *handle = curl_easy_init();

	if (!handle)
		return NULL;
	curl_easy_setopt(handle, CURLOPT_UNIX_SOCKET_PATH, engine_http_socket());
	curl_easy_setopt(handle, CURLOPT_URL, url);
	curl_easy_setopt(handle, CURLOPT_PROXY, "");
	curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(handle, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, 5000L);
	curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_bytes);
	curl_easy_setopt(handle, CURLOPT_WRITEDATA, pending);
	return handle;
}

static void up_set(bool is_up, const char *why)
{
	if (!is_up)
		why_keep(why);
	if (atomic_exchange(&stream.is_up, is_up) == is_up)
		return;
	if (is_up)
		log_info("engine up api=%s", engine_call_prefix());
	else
		log_warn("engine away error=%s", LOG_TEXT(why));
}

/* Pings are needed since a silent engine keeps the stream open. */
static void ping(void)
{
	bool was_up = engine_is_up();
	struct error err = { 0 };

	stream.silences = engine_ping(&err) ? 0 : stream.silences + 1;
	up_set(stream.silences == 0, err.message);
	engine_http_give_up(stream.silences >= SILENCES_MAX);
	if (!was_up && engine_is_up())
		stream.listener->on_gap();
}

/* Reads until the stream or pgberthd ends. */
static void stream_read(void)
{
	long long next_look = deadline_in_ms(LOOK_AT_ALL_MS);
	long long next_ping = deadline_in_ms(PING_EVERY_MS);
	int running = 1;

	while (running && !atomic_load(&stream.is_stopping)) {
		if (curl_multi_perform(stream.multi, &running) != CURLM_OK)
			return;
		if (running)
			curl_multi_poll(stream.multi, NULL, 0, POLL_MS, NULL);
		if (deadline_passed(next_ping)) {
			ping();
			next_ping = deadline_in_ms(PING_EVERY_MS);
		}
		if (deadline_passed(next_look)) {
			stream.listener->on_gap();
			next_look = deadline_in_ms(LOOK_AT_ALL_MS);
		}
	}
}

/* Reads one connection; earlier events are made up for by a look at all instances. */
static void stream_once(void)
{
	AUTO_FREE char *url = stream_url();
	AUTO_BUF pending = { .max = LINE_MAX_BYTES };
	CURL *handle = url ? stream_handle(url, &pending) : NULL;

	if (!handle)
		return;
	if (curl_multi_add_handle(stream.multi, handle) == CURLM_OK) {
		int running;

		curl_multi_perform(stream.multi, &running);
		stream.listener->on_gap();
		stream_read();
		curl_multi_remove_handle(stream.multi, handle);
	}
	curl_easy_cleanup(handle);
}

static void *events_run(void *user)
{
	struct error err = { .message = "the event stream ended" };

	(void)user;
	engine_http_scout();
	while (!atomic_load(&stream.is_stopping)) {
		if (engine_connect(&err)) {
			stream.silences = 0;
			engine_http_give_up(false);
			up_set(true, "");
			stream_once();
			fail(&err, ERR_ENGINE, "the event stream ended");
		} else {
			engine_http_give_up(true);
		}
		if (atomic_load(&stream.is_stopping))
			break;
		up_set(false, err.message);
		curl_multi_poll(stream.multi, NULL, 0, RETRY_MS, NULL);
	}
	return NULL;
}

bool engine_events_start(const struct engine_listener *listener, struct error *err)
{
	stream.listener = listener;
	stream.multi = curl_multi_init();
	if (!stream.multi || pthread_create(&stream.thread, NULL, events_run, NULL) != 0)
		return fail(err, ERR_INTERNAL, "cannot start the events thread");
	return true;
}

void engine_events_stop(void)
{
	atomic_store(&stream.is_stopping, true);
	curl_multi_wakeup(stream.multi);
	pthread_join(stream.thread, NULL);
	curl_multi_cleanup(stream.multi);
}
