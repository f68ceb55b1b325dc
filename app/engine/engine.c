/* Calls are repeated only where the answer changes by itself: a name that is being freed,
 * a removal under way, a network that is missing. */
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "base/scope.h"
#include "engine/call.h"
#include "engine/container_spec.h"
#include "engine/find.h"
#include "engine/http.h"
#include "engine/io_limit.h"
#include "engine/network.h"
#include "engine/read.h"
#include "model/config.h"

#define PING_MS 3000
#define NAME_WAIT_MS 10000
#define NAME_PAUSE_MS 100
#define REMOVAL_WAIT_MS 10000
#define REMOVE_TRIES 4 /* of which the engine may take 12 s each */

const char *engine_api_version(void)
{
	return engine_call_prefix() + strlen("/v");
}

const char *engine_version(void)
{
	return engine_call_version();
}

const char *engine_why_no_version(void)
{
	return engine_call_why_no_version();
}

/* Under the agreed version, so that an engine that takes none of pgberth's fails it. */
bool engine_ping(struct error *err)
{
	AUTO_REPLY reply = { 0 };

	if (!engine_call_raw("/_ping", PING_MS, &reply, err))
		return false;
	return reply.status == 200 ||
	       fail(err, ERR_ENGINE, "the engine answers a ping with status %d",
		    reply.status);
}

bool engine_init(struct error *err)
{
	return engine_http_init(config()->engine_socket, err) && engine_spec_init(err) &&
	       io_limit_init(err);
}

bool engine_connect(struct error *err)
{
	return engine_call_agree(err) && engine_network_ensure(err);
}

/*
 * The engine's messages of a port clash: another container has the port, or a process of
 * the host. They come with status 500 at a start (Docker 20.10 to 29), and what concerns
 * networks may come at a create, too, since Docker 25. An engine that was restarted while
 * a container ended keeps that container's port until its next restart.
 */
static bool container_refused(const char *what, int status, const json_t *json,
			      struct error *err)
{
	const char *message = engine_message(json);

	if (strstr(message, "port is already allocated"))
		return fail_at(err, ERR_PORT_IN_USE, "port",
			       "the port is held by another container, or kept by the "
			       "engine after its restart (restart it again)");
	if (strstr(message, "address already in use"))
		return fail_at(err, ERR_PORT_IN_USE, "port",
			       "the port is held by a process of the host");
	return engine_refused(err, what, status, json);
}

/* A runtime whose waiting process was killed amid a start: the engine removes what it
 * began, and a new start is a new process. */
static bool is_runtime_lost(const json_t *json)
{
	return strstr(engine_message(json), "cannot start a stopped process") ||
	       strstr(engine_message(json), "cannot start a container that has stopped");
}

/* Tells whether a refused call may be made again. A network that somebody removed is
 * noticed only by such calls: it is made again. */
static bool mend(int status, const json_t *json, bool *ret_again, struct error *err)
{
	bool is_network_gone = status == 404 && strstr(engine_message(json), "network");

	*ret_again = is_network_gone || (status == 500 && is_runtime_lost(json));
	return !is_network_gone || engine_network_ensure(err);
}

/* Makes a call that concerns network and runtime, a second time where that mends it. */
static bool post_mended(const char *path, const json_t *body, int *ret_status,
			json_t **ret_json, struct error *err)
{
	bool again;

	if (!engine_call("POST", SLOW_MS, body, ret_status, ret_json, err, "%s", path) ||
	    !mend(*ret_status, *ret_json, &again, err))
		return false;
	if (!again)
		return true;
	json_decref(*ret_json);
	*ret_json = NULL;
	return engine_call("POST", SLOW_MS, body, ret_status, ret_json, err, "%s", path);
}

static bool create_refused(const struct container_spec *spec, int status,
			   const json_t *json, struct error *err)
{
	if (status == 404 && strstr(engine_message(json), "mage"))
		return fail(err, ERR_IMAGE_MISSING,
			    "the engine has no image for PostgreSQL %d; run make up",
			    spec->record->version);
	return container_refused("create the container", status, json, err);
}

/*
 * The name is taken: by a foreign container, which only an inspection tells, or for a
 * moment by a container of pgberth's that the engine is still making or removing.
 */
static bool name_wait(const char *storage_dir, long long deadline_ms, struct error *err)
{
	struct container container;

	if (!engine_inspect(storage_dir, &container, err))
		return false;
	if (container.exists && !container.is_ours)
		return fail(err, ERR_FOREIGN_DATA,
			    "a container of another owner has the name " CONTAINER_PREFIX
			    "%s",
			    storage_dir);
	if (deadline_passed(deadline_ms))
		return fail(err, ERR_ENGINE,
			    "the engine still keeps the name " CONTAINER_PREFIX "%s",
			    storage_dir);
	if (container.exists && !engine_remove(container.id, err))
		return false;
	sleep_ms(NAME_PAUSE_MS);
	return true;
}

static bool create_once(const struct container_spec *spec, const json_t *body,
			int *ret_status, char ret_id[CONTAINER_ID_SIZE],
			struct error *err)
{
	json_auto_t *json = NULL;
	char path[sizeof("/containers/create?name=" CONTAINER_PREFIX) + NAME_SIZE];

	snprintf(path, sizeof(path), "/containers/create?name=" CONTAINER_PREFIX "%s",
		 spec->record->storage_dir);
	if (!post_mended(path, body, ret_status, &json, err))
		return false;
	if (*ret_status != 201 || strlen(string_at(json, "Id")) != CONTAINER_ID_SIZE - 1)
		return create_refused(spec, *ret_status, json, err);
	memcpy(ret_id, string_at(json, "Id"), CONTAINER_ID_SIZE);
	return true;
}

bool engine_create(const struct container_spec *spec, char ret_id[CONTAINER_ID_SIZE],
		   struct error *err)
{
	json_auto_t *body = engine_spec_to_json(spec);
	long long deadline_ms = deadline_in_ms(NAME_WAIT_MS);
	int status;

	if (!body)
		return fail(err, ERR_INTERNAL, "out of memory");
	if (!spec->isolated_passwd && !engine_network_require(err))
		return false;
	for (;;) {
		status = 0;
		if (create_once(spec, body, &status, ret_id, err))
			return true;
		if (status != 409 ||
		    !name_wait(spec->record->storage_dir, deadline_ms, err))
			return false;
	}
}

bool engine_start(const char *id, struct error *err)
{
	json_auto_t *json = NULL;
	char path[sizeof("/containers//start") + CONTAINER_ID_SIZE];
	int status;

	snprintf(path, sizeof(path), "/containers/%s/start", id);
	if (!post_mended(path, NULL, &status, &json, err))
		return false;
	return status == 204 || status == 304 ||
	       container_refused("start the container", status, json, err);
}

bool engine_stop(const char *id, struct error *err)
{
	json_auto_t *json = NULL;
	int status;

	if (!engine_call("POST", (config()->stop_timeout_s + 30) * 1000L, NULL, &status,
			 &json, err, "/containers/%s/stop?t=%d", id,
			 config()->stop_timeout_s))
		return false;
	if (status == 204 || status == 304 || engine_is_absent(status, json))
		return true;
	return engine_refused(err, "stop the container", status, json);
}

bool engine_unpause(const char *id, struct error *err)
{
	json_auto_t *json = NULL;
	int status;

	if (!engine_call("POST", QUICK_MS, NULL, &status, &json, err,
			 "/containers/%s/unpause", id))
		return false;
	return status == 204 ||
	       engine_refused(err, "unpause the container", status, json);
}

/* A removal that another process began, such as an earlier pgberthd, ends some time
 * later. */
static bool removal_wait(const char *id, struct error *err)
{
	long long deadline = deadline_in_ms(REMOVAL_WAIT_MS);
	struct container container;

	while (engine_inspect_one(id, &container, err)) {
		if (!container.exists)
			return true;
		if (deadline_passed(deadline))
			return fail(err, ERR_ENGINE,
				    "the engine is still removing the container");
		sleep_ms(NAME_PAUSE_MS);
	}
	return false;
}

/* False with *ret_again when the engine killed the container, but gave up waiting for its
 * end: on a busy host the end comes a moment later. */
static bool remove_once(const char *id, bool *ret_again, struct error *err)
{
	json_auto_t *json = NULL;
	int status;

	*ret_again = false;
	if (!engine_call("DELETE", SLOW_MS, NULL, &status, &json, err,
			 "/containers/%s?force=1&v=1", id))
		return false;
	if (status == 204 || engine_is_absent(status, json))
		return true;
	if (status == 409 && strstr(engine_message(json), "already in progress"))
		return removal_wait(id, err);
	*ret_again = status == 500 && strstr(engine_message(json), "exit event");
	return engine_refused(err, "remove the container", status, json);
}

bool engine_remove(const char *id, struct error *err)
{
	bool again;

	for (int i = 0; i < REMOVE_TRIES; i++) {
		if (remove_once(id, &again, err))
			return true;
		if (!again)
			return false;
		sleep_ms(NAME_PAUSE_MS);
	}
	return false;
}

bool engine_remove_others(const char *storage_dir, const char *id, struct error *err)
{
	AUTO_FREE struct container *list = NULL;
	struct error ignored;
	size_t count = 0;
	bool ok = true;

	if (!engine_list_of(storage_dir, &list, &count, err))
		return false;
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].id, id) != 0 &&
		    !engine_remove(list[i].id, ok ? err : &ignored))
			ok = false;
	return ok;
}

bool engine_update(const char *id, const struct record *record, struct error *err)
{
	json_auto_t *body = engine_spec_limits(record);
	json_auto_t *json = NULL;
	int status;

	if (!body)
		return fail(err, ERR_INTERNAL, "out of memory");
	if (!engine_call("POST", QUICK_MS, body, &status, &json, err,
			 "/containers/%s/update", id))
		return false;
	return status == 200 || engine_refused(err, "change the limits", status, json);
}

/* An engine that still answers is not to blame for a container that runs on. */
static bool wait_failed(const char *id, int timeout_ms, long long deadline_ms,
			struct error *err)
{
	struct container container;
	struct error ignored;

	if (err->code == ERR_ENGINE && deadline_passed(deadline_ms) &&
	    engine_inspect_one(id, &container, &ignored) && container.is_running)
		return fail(err, ERR_SERVER, "it did not end within %d s",
			    timeout_ms / 1000);
	return false;
}

bool engine_wait(const char *id, int timeout_ms, int *ret_exit_code, struct error *err)
{
	long long deadline = deadline_in_ms(timeout_ms);
	json_auto_t *json = NULL;
	int status;

	if (!engine_call("POST", timeout_ms, NULL, &status, &json, err,
			 "/containers/%s/wait", id))
		return wait_failed(id, timeout_ms, deadline, err);
	if (status != 200)
		return engine_refused(err, "wait for the container", status, json);
	if (!json_is_integer(json_object_get(json, "StatusCode")))
		return engine_no_sense(err, "how the container ended");
	*ret_exit_code = (int)json_integer_value(json_object_get(json, "StatusCode"));
	return true;
}

bool engine_logs(const char *id, long long since, int tail, struct buf *log,
		 struct error *err)
{
	AUTO_REPLY reply = { 0 };
	char path[200];

	snprintf(path, sizeof(path),
		 "/containers/%s/logs?stdout=1&stderr=1&since=%lld&tail=%d", id, since,
		 tail);
	if (!engine_call_raw(path, QUICK_MS, &reply, err))
		return false;
	if (reply.status != 200)
		return fail(err, ERR_ENGINE, "the engine cannot show the log (status %d)",
			    reply.status);
	return frames_unpack(&reply.body, log) ||
	       fail(err, ERR_INTERNAL, "out of memory");
}
