/* A missing or mistyped member fails the whole answer where it matters. */
#include "engine/read.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/timestamp.h"
#include "engine/container_spec.h"
#include "model/config.h"

const char *string_at(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

static bool labels_are_ours(const json_t *labels)
{
	return strcmp(string_at(labels, "pgberth.root"), config()->root) == 0;
}

/* A member's number, 0 if it is not a number. */
static int port_checked(long long port)
{
	return port > 0 && port <= UINT16_MAX ? (int)port : 0;
}

/* Both bindings and mappings have the form {"5432/tcp": [{"HostPort": "6123"}]}. */
static int port_of(const json_t *ports)
{
	const json_t *first = json_array_get(json_object_get(ports, "5432/tcp"), 0);

	return port_checked(strtoll(string_at(first, "HostPort"), NULL, 10));
}

/* The engine dates an event that never happened to the year 1. */
static long long time_at(const json_t *json, const char *key)
{
	time_t when = timestamp_read(string_at(json, key));

	return when > 0 ? when : 0;
}

static bool inspect_is_whole(const json_t *json)
{
	const json_t *state = json_object_get(json, "State");

	return strlen(string_at(json, "Id")) == CONTAINER_ID_SIZE - 1 &&
	       json_is_boolean(json_object_get(state, "Running")) &&
	       json_is_boolean(json_object_get(state, "Paused")) &&
	       json_is_boolean(json_object_get(state, "Restarting")) &&
	       json_is_object(json_object_get(json, "Config")) &&
	       json_is_object(json_object_get(json, "HostConfig")) &&
	       json_is_object(json_object_get(json, "NetworkSettings"));
}

bool container_from_inspect(struct container *ret, const json_t *json)
{
	const json_t *state = json_object_get(json, "State");
	const json_t *host = json_object_get(json, "HostConfig");
	const json_t *labels = json_object_get(json_object_get(json, "Config"), "Labels");
	const json_t *network = json_object_get(json, "NetworkSettings");

	if (!inspect_is_whole(json))
		return false;
	*ret = (struct container){ .exists = true };
	snprintf(ret->id, sizeof(ret->id), "%s", string_at(json, "Id"));
	snprintf(ret->storage_dir, sizeof(ret->storage_dir), "%s",
		 string_at(labels, "pgberth.storage_dir"));
	snprintf(ret->error, sizeof(ret->error), "%s", string_at(state, "Error"));
	ret->is_ours = labels_are_ours(labels);
	ret->is_created = strcmp(string_at(state, "Status"), "created") == 0;
	ret->is_paused = json_is_true(json_object_get(state, "Paused"));
	ret->is_restarting = json_is_true(json_object_get(state, "Restarting"));
	ret->is_running = json_is_true(json_object_get(state, "Running")) &&
			  !ret->is_paused && !ret->is_restarting;
	ret->oom_killed = json_is_true(json_object_get(state, "OOMKilled"));
	ret->exit_code = (int)json_integer_value(json_object_get(state, "ExitCode"));
	ret->restarts = (int)json_integer_value(json_object_get(json, "RestartCount"));
	snprintf(ret->started, sizeof(ret->started), "%s", string_at(state, "StartedAt"));
	ret->started_at = time_at(state, "StartedAt");
	ret->ended_at = time_at(state, "FinishedAt");
	ret->port = port_of(json_object_get(network, "Ports"));
	ret->memory_mb = (int)(json_integer_value(json_object_get(host, "Memory")) >> 20);
	ret->cpus = json_number_value(json_object_get(host, "NanoCpus")) / 1e9;
	return true;
}

bool container_from_list(struct container *ret, const json_t *json)
{
	const json_t *labels = json_object_get(json, "Labels");
	const json_t *ports = json_object_get(json, "Ports");
	const json_t *port, *alias;
	char name[sizeof(CONTAINER_PREFIX) + NAME_SIZE + 1];
	size_t i;

	if (strlen(string_at(json, "Id")) != CONTAINER_ID_SIZE - 1 ||
	    !json_is_string(json_object_get(json, "State")) || !labels_are_ours(labels))
		return false;
	*ret = (struct container){ .exists = true, .is_ours = true };
	snprintf(ret->id, sizeof(ret->id), "%s", string_at(json, "Id"));
	snprintf(ret->storage_dir, sizeof(ret->storage_dir), "%s",
		 string_at(labels, "pgberth.storage_dir"));
	ret->is_running = strcmp(string_at(json, "State"), "running") == 0;
	snprintf(name, sizeof(name), "/" CONTAINER_PREFIX "%s", ret->storage_dir);
	json_array_foreach (json_object_get(json, "Names"), i, alias)
		if (strcmp(json_string_value(alias) ? json_string_value(alias) : "",
			   name) == 0)
			ret->is_named = true;
	json_array_foreach ((json_t *)ports, i, port)
		if (json_integer_value(json_object_get(port, "PublicPort")))
			ret->port = port_checked(
				json_integer_value(json_object_get(port, "PublicPort")));
	return true;
}

/* A frame has 8 bytes of header (stream, 0, 0, 0, length big-endian) and the payload. */
bool frames_unpack(const struct buf *frames, struct buf *log)
{
	const unsigned char *at = (const unsigned char *)buf_text(frames);
	size_t left = frames->length;

	while (left >= 8) {
		size_t length = (size_t)at[4] << 24 | at[5] << 16 | at[6] << 8 | at[7];

		if (length > left - 8)
			length = left - 8;
		if (!buf_append(log, at + 8, length))
			return false;
		at += 8 + length;
		left -= 8 + length;
	}
	return true;
}

/* The engine writes it as text. */
static int exit_code_at(const json_t *attributes)
{
	const char *text = string_at(attributes, "exitCode");
	char *end;
	long code = strtol(text, &end, 10);

	return *text && !*end && code >= 0 && code <= 255 ? (int)code : EXIT_UNKNOWN;
}

bool event_from_line(struct container_event *ret, const char *line, size_t length)
{
	json_auto_t *event = json_loadb(line, length, 0, NULL);
	const json_t *actor = json_object_get(event, "Actor");
	const json_t *attributes = json_object_get(actor, "Attributes");
	const char *name = string_at(attributes, "pgberth.storage_dir");

	if (!name_is_valid(name))
		return false;
	snprintf(ret->storage_dir, sizeof(ret->storage_dir), "%s", name);
	ret->out_of_memory = strcmp(string_at(event, "Action"), "oom") == 0;
	ret->exit_code = strcmp(string_at(event, "Action"), "die") == 0
				 ? exit_code_at(attributes)
				 : EXIT_UNKNOWN;
	return true;
}
