/* Handlers, and how an instance looks in JSON. */
#include "daemon/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/scope.h"
#include "base/utf8.h"
#include "daemon/api_parts.h"
#include "instance/index.h"
#include "instance/instance.h"

#define LIST_MAX 1000
/* Of a page, of logs. nginx buffers more (fastcgi_buffers), so a slow reader is its matter. */
#define ANSWER_BYTES_MAX (768 * 1024)
#define TAIL_DEFAULT 100
#define TAIL_MAX 10000

static const struct config *config;

void api_init(const struct config *cfg)
{
	config = cfg;
}

json_t *text_or_null(const char *text)
{
	return *text ? utf8_to_json(text) : json_null();
}

static json_t *dsn_to_json(const struct record *record)
{
	if (!record->port)
		return json_null();
	return json_sprintf("postgresql://%s@%s:%d/postgres?sslmode=require",
			    config->admin_user, config->publish_address, record->port);
}

json_t *time_or_null(long long seconds)
{
	time_t when = (time_t)seconds;
	char text[32];
	struct tm utc;

	if (!seconds)
		return json_null();
	gmtime_r(&when, &utc);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &utc);
	return json_string(text);
}

static json_t *number_or_null(int number)
{
	return number ? json_integer(number) : json_null();
}

/* Who can reach it: those on the host in any case, by the gateway of its network. */
static json_t *exposure_to_json(const struct record *record)
{
	bool is_local = config_is_loopback(config->publish_address);

	return json_pack("{s:s s:o s:s s:o s:s}", "address", config->publish_address,
			 "port", number_or_null(record->port), "reach",
			 is_local ? "host" : "network", "allow",
			 networks_to_json(&record->allow), "tls", tls_name(record->tls));
}

/* New reference; NULL without memory. */
static json_t *view_to_json(const struct view *view)
{
	const struct record *record = &view->record;

	return json_pack(
		"{s:s s:s s:s s:o s:s s:o s:s s:o s:o s:o s:{s:i s:o s:o*} s:o s:o s:o"
		" s:b s:o s:s s:o s:o*}",
		"status", "OK", "storage_dir", record->storage_dir, "state",
		state_name(view->state), "port", number_or_null(record->port), "address",
		config->publish_address, "version", number_or_null(record->version),
		"admin_user", config->admin_user, "dsn", dsn_to_json(record),
		"created_at", text_or_null(record->created_at), "labels",
		json_deep_copy(record->labels), "limits", "memory_mb", record->memory_mb,
		"cpus", cpus_to_json(record->cpus), "disk_mb",
		record->disk_mb ? json_integer(record->disk_mb) : NULL, "container_id",
		text_or_null(view->container_id), "reason", text_or_null(record->reason),
		"expires_at", time_or_null(record->expires_at), "expire_purge",
		record->expire_purge, "allow", networks_to_json(&record->allow), "tls",
		tls_name(record->tls), "exposure", exposure_to_json(record), "foreign",
		view->is_foreign ? json_true() : NULL);
}

bool answer(struct call *call, json_t *json, struct error *err)
{
	if (!json)
		return fail(err, ERR_INTERNAL, "out of memory");
	call->res->status = 200;
	call->res->json = json;
	return true;
}

bool answer_view(struct call *call, const struct view *view, struct error *err)
{
	return answer(call, view_to_json(view), err);
}

/* A parameter's text, NULL when it is not given. Borrowed. */
static const char *param(const struct call *call, const char *name)
{
	return json_string_value(json_object_get(call->query, name));
}

static bool param_number(const struct call *call, const char *name, int max, int *number,
			 struct error *err)
{
	const char *text = param(call, name);
	size_t length;

	if (!text)
		return true;
	length = strlen(text);
	if (length < 1 || length > 6 || strspn(text, "0123456789") != length ||
	    text[0] == '0' || atoi(text) > max)
		return fail_field(err, name, "must be a whole number from 1 to %d", max);
	*number = atoi(text);
	return true;
}

static bool param_switch(const struct call *call, const char *name, bool *on,
			 struct error *err)
{
	const char *text = param(call, name);

	if (!text)
		return true;
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return fail_field(err, name, "must be true or false");
	*on = strcmp(text, "true") == 0;
	return true;
}

struct listing {
	const struct caller *caller;
	json_t *containers;
	bool by_state;
	enum state state;
	const char *label; /* key=value, NULL: any */
	size_t limit;
	size_t bytes; /* that they take as JSON */
	bool more;
	bool failed; /* out of memory */
};

static bool label_fits(const json_t *labels, const char *label)
{
	size_t length = strcspn(label, "=");
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)labels, key, value)
		if (strlen(key) == length && strncmp(key, label, length) == 0)
			return strcmp(json_string_value(value), label + length + 1) == 0;
	return false;
}

/* One is on each page, so that each goes on. */
static bool page_has_room(struct listing *listing, const json_t *json)
{
	listing->bytes += json_dumpb(json, NULL, 0, JSON_COMPACT) + 1;
	return json_array_size(listing->containers) == 0 ||
	       listing->bytes <= ANSWER_BYTES_MAX;
}

static bool list_add(const struct view *view, void *user)
{
	struct listing *listing = user;
	json_t *json;

	if (!caller_sees(listing->caller, view->record.storage_dir))
		return true;
	if (listing->by_state && view->state != listing->state)
		return true;
	if (listing->label && !label_fits(view->record.labels, listing->label))
		return true;
	if (json_array_size(listing->containers) == listing->limit) {
		listing->more = true;
		return false;
	}
	json = view_to_json(view);
	json_object_del(json, "status"); /* the list has one */
	if (!page_has_room(listing, json)) {
		json_decref(json);
		listing->more = true;
		return false;
	}
	listing->failed = json_array_append_new(listing->containers, json) != 0;
	return !listing->failed;
}

static bool listing_parse(const struct call *call, struct listing *listing,
			  struct error *err)
{
	const char *state = param(call, "state");
	int limit = LIST_MAX;

	if (!param_number(call, "limit", LIST_MAX, &limit, err))
		return false;
	listing->limit = (size_t)limit;
	listing->by_state = state != NULL;
	listing->label = param(call, "label");
	if (state && !state_from_name(&listing->state, state))
		return fail_field(
			err, "state",
			"must be one of: starting running stopping stopped stored failed");
	if (listing->label && !strchr(listing->label, '='))
		return fail_field(err, "label", "must be key=value");
	return true;
}

bool containers_list(struct call *call, struct error *err)
{
	struct listing listing = { .caller = &call->caller };
	const char *after = param(call, "after");
	json_t *last, *next;

	if (!listing_parse(call, &listing, err))
		return false;
	if (after && !name_is_valid(after))
		return fail_field(err, "after", "must be a name as in next");
	listing.containers = json_array();
	index_walk(after ? after : "", list_add, &listing);
	if (listing.failed) {
		json_decref(listing.containers);
		return fail(err, ERR_INTERNAL, "out of memory");
	}
	last = json_array_get(listing.containers,
			      json_array_size(listing.containers) - 1);
	next = json_object_get(last, "storage_dir");
	return answer(call,
		      json_pack("{s:s s:o s:O}", "status", "OK", "containers",
				listing.containers, "next",
				listing.more && next ? next : json_null()),
		      err);
}

bool containers_create(struct call *call, struct error *err)
{
	AUTO_VIEW view = { 0 };

	if (!caller_sees(&call->caller, call->spec.storage_dir))
		return fail_at(err, ERR_FORBIDDEN, "storage_dir",
			       "this token is for names that begin with %s",
			       call->caller.prefix);
	memcpy(call->spec.owner, call->caller.name, sizeof(call->spec.owner));
	return instance_create(&call->spec, &view, err) && answer_view(call, &view, err);
}

bool container_get(struct call *call, struct error *err)
{
	AUTO_VIEW view = { 0 };

	if (!index_get(call->storage_dir, &view))
		return fail(err, ERR_NOT_FOUND, "there is no instance %s",
			    call->storage_dir);
	return answer_view(call, &view, err);
}

bool container_change(struct call *call, struct error *err)
{
	AUTO_VIEW view = { 0 };
	bool restarted;
	json_t *json;

	if (!instance_change(call->storage_dir, &call->spec, &view, &restarted, err))
		return false;
	json = view_to_json(&view);
	if (json)
		json_object_set_new(json, "restarted", json_boolean(restarted));
	return answer(call, json, err);
}

bool container_delete(struct call *call, struct error *err)
{
	AUTO_VIEW view = { 0 };
	bool purge = false;
	json_t *json;

	if (!param_switch(call, "purge", &purge, err) ||
	    !instance_delete(call->storage_dir, purge, &view, err))
		return false;
	json = view_to_json(&view);
	if (json && purge)
		json_object_set_new(json, "purged", json_true());
	return answer(call, json, err);
}

bool container_start(struct call *call, struct error *err)
{
	AUTO_VIEW view = { 0 };

	return instance_start(call->storage_dir, &call->spec, &view, err) &&
	       answer_view(call, &view, err);
}

bool container_stop(struct call *call, struct error *err)
{
	AUTO_VIEW view = { 0 };

	return instance_stop(call->storage_dir, &view, err) &&
	       answer_view(call, &view, err);
}

bool container_restart(struct call *call, struct error *err)
{
	AUTO_VIEW view = { 0 };

	return instance_restart(call->storage_dir, &view, err) &&
	       answer_view(call, &view, err);
}

bool container_adopt(struct call *call, struct error *err)
{
	AUTO_VIEW view = { 0 };
	bool adopted;
	json_t *json;

	if (!instance_adopt(call->storage_dir, &view, &adopted, err))
		return false;
	json = view_to_json(&view);
	if (json)
		json_object_set_new(json, "adopted", json_boolean(adopted));
	return answer(call, json, err);
}

bool container_password(struct call *call, struct error *err)
{
	AUTO_VIEW view = { 0 };

	return instance_set_password(call->storage_dir, call->spec.admin_password, &view,
				     err) &&
	       answer_view(call, &view, err);
}

bool container_logs(struct call *call, struct error *err)
{
	int tail = TAIL_DEFAULT;
	bool follow = false;

	if (!param_number(call, "tail", TAIL_MAX, &tail, err) ||
	    !param_switch(call, "follow", &follow, err))
		return false;
	if (follow)
		return fail_field(err, "follow",
				  "is not possible yet; ask again with tail");
	if (!instance_logs(call->storage_dir, tail, &call->res->text, err))
		return false;
	buf_keep_lines(&call->res->text, ANSWER_BYTES_MAX);
	call->res->status = 200;
	call->res->is_text = true;
	return true;
}
