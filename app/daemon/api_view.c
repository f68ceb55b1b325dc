/* An instance in JSON: the fields that are shown, and members derived from its view. */
#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "base/timestamp.h"
#include "daemon/api.h"
#include "daemon/api_parts.h"
#include "daemon/look_queue.h"
#include "model/caller.h"
#include "model/config.h"
#include "model/field.h"
#include "pg/diagnosis.h"

json_t *text_or_null(const char *text)
{
	return *text ? caller_text(text) : json_null();
}

json_t *time_or_null(long long seconds)
{
	char text[TIMESTAMP_SIZE];

	if (!seconds)
		return json_null();
	timestamp_write(text, (time_t)seconds);
	return json_string(text);
}

static json_t *state_to_json(const struct view *view)
{
	return json_string(state_name(view->state));
}

static json_t *address_to_json(const struct view *view)
{
	(void)view;
	return json_string(config()->publish_address);
}

static json_t *admin_to_json(const struct view *view)
{
	(void)view;
	return json_string(config()->admin_user);
}

static json_t *dsn_to_json(const struct view *view)
{
	if (!view->record.port)
		return json_null();
	return json_sprintf("postgresql://%s@%s:%d/postgres?sslmode=require",
			    config()->admin_user, config()->publish_address,
			    view->record.port);
}

static json_t *id_to_json(const struct view *view)
{
	return text_or_null(view->container_id);
}

/* A full disk is told while it lasts, before what else there is to say. */
static json_t *reason_to_json(const struct view *view)
{
	char full[DIAGNOSIS_SIZE], text[sizeof(full) + sizeof(view->record.reason) + 2];
	const char *reason = view->record.reason;
	bool is_told = *reason && !diagnosis_says_full(reason);

	if (view->full == HAS_ROOM || view->record.wanted != WANTED_RUNNING)
		return text_or_null(reason);
	diagnosis_full(full, &view->record, view->full);
	snprintf(text, sizeof(text), "%s%s%s", full, is_told ? "; " : "",
		 is_told ? reason : "");
	return text_or_null(text);
}

/* A server that should not run is not tried again by itself. */
static json_t *retry_to_json(const struct view *view)
{
	bool is_tried = view->state == FAILED && view->record.wanted == WANTED_RUNNING &&
			!view->is_foreign;

	return time_or_null(is_tried ? look_queue_next(view->record.storage_dir) : 0);
}

/* Reachability: users of the host always have it, by the gateway of its network. */
static json_t *exposure_to_json(const struct view *view)
{
	const struct record *record = &view->record;
	bool is_local = config_is_loopback(config()->publish_address);

	return json_pack("{s:s s:o s:s s:o s:s}", "address", config()->publish_address,
			 "port", record->port ? json_integer(record->port) : json_null(),
			 "reach", is_local ? "host" : "network", "allow",
			 networks_to_json(&record->allow), "tls", tls_names[record->tls]);
}

/* Derived values follow the field that they are named after. */
static const struct {
	const char *after, *name;
	json_t *(*to_json)(const struct view *view);
} derived[] = {
	{ "storage_dir", "state", state_to_json },
	{ "port", "address", address_to_json },
	{ "version", "admin_user", admin_to_json },
	{ "version", "dsn", dsn_to_json },
	{ "disk_mb", "container_id", id_to_json },
	{ "disk_mb", "reason", reason_to_json },
	{ "disk_mb", "retry_at", retry_to_json },
	{ "tls", "exposure", exposure_to_json },
};

/* A missing value is null; a limit that is not set is left out. */
static json_t *field_to_json(const struct field *field, const struct record *record)
{
	const void *member = field_of_const(field, record);
	bool is_limit = field->flags & IS_LIMIT;

	if (field->kind == TIME)
		return time_or_null(*(const long long *)member);
	if (field->kind == TEXT)
		return text_or_null(member);
	if (field->kind == INTEGER && !is_limit && !*(const int *)member)
		return json_null();
	return kind_to_json(field, member);
}

static bool field_add(json_t *json, const struct field *field,
		      const struct record *record)
{
	json_t *limits = json_object_get(json, "limits");

	if (!(field->flags & IS_LIMIT))
		return json_object_set_new(json, field->name,
					   field_to_json(field, record)) == 0;
	if ((field->flags & MAY_BE_0) && !*(const int *)field_of_const(field, record))
		return true;
	if (!limits) {
		limits = json_object();
		if (json_object_set_new(json, "limits", limits) != 0)
			return false;
	}
	return json_object_set_new(limits, field->name, field_to_json(field, record)) ==
	       0;
}

static bool derived_add(json_t *json, const char *after, const struct view *view)
{
	for (size_t i = 0; i < COUNT_OF(derived); i++)
		if (strcmp(derived[i].after, after) == 0 &&
		    json_object_set_new(json, derived[i].name,
					derived[i].to_json(view)) != 0)
			return false;
	return true;
}

json_t *view_to_json(const struct view *view)
{
	json_t *json = json_pack("{s:s}", "status", "OK");
	bool ok = json;

	for (const struct field *field = fields; ok && field->name; field++)
		if (field->flags & SHOWN)
			ok = field_add(json, field, &view->record) &&
			     derived_add(json, field->name, view);
	if (ok && view->is_foreign)
		ok = json_object_set_new(json, "foreign", json_true()) == 0;
	if (ok)
		return json;
	json_decref(json);
	return NULL;
}
