/* Routing. */
#include "daemon/router.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/form.h"
#include "base/scope.h"
#include "base/utf8.h"
#include "daemon/api.h"

#define ONE "api/containers/{storage_dir}"

#define TRASH "api/trash"

static const struct route routes[] = {
	{ "GET", "api/health", SCOPE_READ, health_get, NULL, ALWAYS | OPEN, "" },
	{ "GET", "api/containers", SCOPE_READ, containers_list, NULL, 0,
	  " state label limit after " },
	{ "POST", "api/containers", SCOPE_WRITE, containers_create, create_fields,
	  BODY | SLOW, "" },
	{ "GET", ONE, SCOPE_READ, container_get, NULL, 0, "" },
	{ "PATCH", ONE, SCOPE_WRITE, container_change, change_fields, BODY | SLOW, "" },
	{ "DELETE", ONE, SCOPE_WRITE, container_delete, NULL, SLOW, " purge " },
	{ "POST", ONE "/start", SCOPE_WRITE, container_start, start_fields, SLOW, "" },
	{ "POST", ONE "/stop", SCOPE_WRITE, container_stop, no_fields, SLOW, "" },
	{ "POST", ONE "/restart", SCOPE_WRITE, container_restart, no_fields, SLOW, "" },
	{ "POST", ONE "/adopt", SCOPE_ADMIN, container_adopt, no_fields, SLOW, "" },
	{ "PUT", ONE "/password", SCOPE_WRITE, container_password, password_fields,
	  BODY | SLOW, "" },
	{ "GET", ONE "/logs", SCOPE_READ, container_logs, NULL, SLOW, " tail follow " },
	{ "POST", "api/purge", SCOPE_ADMIN, purge_stopped, purge_fields, BODY | SLOW,
	  "" },
	{ "GET", TRASH, SCOPE_READ, trash_list, NULL, SLOW, "" },
	{ "DELETE", TRASH "/{trash_id}", SCOPE_ADMIN, trash_remove, NULL, SLOW, "" },
	{ "POST", TRASH "/{trash_id}/restore", SCOPE_WRITE, trash_restore, no_fields,
	  SLOW, "" },
};

/* Takes the next segment off *path; false when there is none left. */
static bool segment_next(const char **path, const char **ret_segment, size_t *ret_length)
{
	*path += strspn(*path, "/");
	*ret_segment = *path;
	*ret_length = strcspn(*path, "/");
	*path += *ret_length;
	return *ret_length > 0;
}

/* A segment that stands for something: into the call, if it is one of these at all. */
static bool segment_take(struct call *call, const char *want, const char *have,
			 size_t length)
{
	bool is_trash = want[1] == 't';
	char *to = is_trash ? call->trash_id : call->storage_dir;
	size_t size = is_trash ? sizeof(call->trash_id) : sizeof(call->storage_dir);

	if (length >= size)
		return false;
	snprintf(to, size, "%.*s", (int)length, have);
	return is_trash ? store_trash_id_is_valid(to) : name_is_valid(to);
}

static bool path_matches(const char *pattern, struct call *call)
{
	const char *want, *have, *path = call->req->path;
	size_t want_length, have_length;

	for (;;) {
		bool more = segment_next(&pattern, &want, &want_length);

		if (segment_next(&path, &have, &have_length) != more)
			return false;
		if (!more)
			return true;
		if (*want == '{' ? !segment_take(call, want, have, have_length)
				 : want_length != have_length ||
					   memcmp(want, have, want_length) != 0)
			return false;
	}
}

static void allow_add(char *allow, size_t size, const char *method)
{
	size_t used = strlen(allow);

	snprintf(allow + used, size - used, "%s%s%s", used ? ", " : "", method,
		 strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

static bool path_is_text(const char *path)
{
	for (const char *at = path; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			return false;
	return utf8_is_valid(path, strlen(path));
}

const struct route *route_find(struct call *call, char *ret_allow, size_t allow_size,
			       struct error *err)
{
	const struct request *req = call->req;

	ret_allow[0] = '\0';
	if (!path_is_text(req->path)) {
		fail(err, ERR_UNREADABLE, "the path is not plain UTF-8 text");
		return NULL;
	}
	for (size_t i = 0; i < COUNT_OF(routes); i++) {
		if (!path_matches(routes[i].path, call))
			continue;
		if (strcmp(routes[i].method, req->method) == 0)
			return &routes[i];
		allow_add(ret_allow, allow_size, routes[i].method);
	}
	if (ret_allow[0])
		fail(err, ERR_METHOD, "this method is not allowed here, but %s",
		     ret_allow);
	else
		fail(err, ERR_NOT_FOUND, "there is nothing at this path");
	return NULL;
}

bool route_allows(const struct route *route, const struct call *call, struct error *err)
{
	const struct caller *caller = &call->caller;
	char trashed[NAME_SIZE];

	if (!(route->flags & OPEN) && caller->scope < route->scope)
		return fail(err, ERR_FORBIDDEN,
			    "this token's scope is %s, this call needs %s",
			    scope_name(caller->scope), scope_name(route->scope));
	if (*call->storage_dir && !caller_sees(caller, call->storage_dir))
		return fail(err, ERR_NOT_FOUND, "there is no instance %s",
			    call->storage_dir);
	store_trash_name(call->trash_id, trashed);
	if (*call->trash_id && !caller_sees(caller, trashed))
		return fail(err, ERR_NOT_FOUND, "trash entry %s does not exist",
			    call->trash_id);
	return true;
}

static bool query_check(const struct route *route, const json_t *query, struct error *err)
{
	const char *name;
	json_t *value;

	json_object_foreach ((json_t *)query, name, value) {
		char spaced[80];

		snprintf(spaced, sizeof(spaced), " %.70s ", name);
		if (!strstr(route->params, spaced) || strchr(name, ' '))
			return fail_field(err, name, "is not a parameter of this call");
		if (strlen(json_string_value(value)) != json_string_length(value))
			return fail_field(err, name, "must not hold a NUL");
	}
	return true;
}

bool route_run(const struct route *route, struct call *call, struct error *err)
{
	const struct request *req = call->req;
	const struct field *fields = route->fields ? route->fields : no_fields;

	if (!form_parse(&call->query, req->query, strlen(req->query), false, err) ||
	    !query_check(route, call->query, err))
		return false;
	if (req->body.length > 0 && *req->content_encoding &&
	    strcasecmp(req->content_encoding, "identity") != 0)
		return fail(err, ERR_MEDIA_TYPE, "the body must not be compressed");
	if ((req->body.length > 0 || (route->flags & BODY)) &&
	    !spec_parse(&call->spec, fields, req->content_type, buf_text(&req->body),
			req->body.length, err))
		return false;
	return route->handler(call, err);
}
