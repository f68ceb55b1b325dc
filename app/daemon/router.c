/* Routes match segment by segment; {names} in them take any value. */
#include "daemon/router.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/scope.h"
#include "base/utf8.h"
#include "daemon/api.h"
#include "model/body.h"
#include "model/field.h"

#define ONE "api/containers/{storage_dir}"

#define TRASH "api/trash"

static const struct route routes[] = {
	{ "GET", "api/health", SCOPE_READ, health_get, 0, 0, ALWAYS | OPEN, NULL },
	{ "GET", "api/containers", SCOPE_READ, containers_list, 0, IN_LIST, 0, NULL },
	{ "POST", "api/containers", SCOPE_WRITE, containers_create, IN_CREATE, 0,
	  BODY | SLOW, "create" },
	{ "GET", ONE, SCOPE_READ, container_get, 0, 0, 0, NULL },
	{ "PATCH", ONE, SCOPE_WRITE, container_change, IN_CHANGE, 0, BODY | SLOW,
	  "update" },
	{ "DELETE", ONE, SCOPE_WRITE, container_delete, 0, IN_DELETE, SLOW, "delete" },
	{ "POST", ONE "/start", SCOPE_WRITE, container_start, IN_START, 0, SLOW,
	  "start" },
	{ "POST", ONE "/stop", SCOPE_WRITE, container_stop, 0, 0, SLOW, "stop" },
	{ "POST", ONE "/restart", SCOPE_WRITE, container_restart, 0, 0, SLOW, "restart" },
	{ "POST", ONE "/adopt", SCOPE_ADMIN, container_adopt, 0, 0, SLOW, "adopt" },
	{ "PUT", ONE "/password", SCOPE_WRITE, container_password, IN_PASSWORD, 0,
	  BODY | SLOW, "password" },
	{ "GET", ONE "/logs", SCOPE_READ, container_logs, 0, IN_LOGS, SLOW, NULL },
	{ "GET", ONE "/certificate", SCOPE_READ, container_certificate, 0, 0, SLOW,
	  NULL },
	{ "POST", "api/purge", SCOPE_ADMIN, purge_stopped, IN_PURGE, 0, BODY | SLOW,
	  "purge" },
	{ "GET", TRASH, SCOPE_READ, trash_list, 0, 0, SLOW, NULL },
	{ "DELETE", TRASH "/{trash_id}", SCOPE_ADMIN, trash_remove, 0, 0, SLOW,
	  "trash_remove" },
	{ "POST", TRASH "/{trash_id}/restore", SCOPE_WRITE, trash_restore, 0, 0, SLOW,
	  "restore" },
};

/* Takes the next segment off *path; false when none is left. */
static bool segment_next(const char **path, const char **ret_segment, size_t *ret_length)
{
	*path += strspn(*path, "/");
	*ret_segment = *path;
	*ret_length = strcspn(*path, "/");
	*path += *ret_length;
	return *ret_length > 0;
}

/* Puts a {name} segment into the call, if its value is valid. */
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
		fail(err, ERR_METHOD, "this method is not allowed here; allowed are %s",
		     ret_allow);
	else
		fail(err, ERR_NOT_FOUND, "this path does not exist");
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
		return fail(err, ERR_NOT_FOUND, "instance %s does not exist",
			    call->storage_dir);
	store_trash_name(call->trash_id, trashed);
	if (*call->trash_id && !caller_sees(caller, trashed))
		return fail(err, ERR_NOT_FOUND, "trash entry %s does not exist",
			    call->trash_id);
	return true;
}

bool route_read(const struct route *route, struct call *call, struct error *err)
{
	const struct request *req = call->req;

	if (!query_parse(&call->query, route->query, req->query, err))
		return false;
	if (req->body.length > 0 && *req->content_encoding &&
	    strcasecmp(req->content_encoding, "identity") != 0)
		return fail(err, ERR_MEDIA_TYPE, "the body must not be compressed");
	return (req->body.length == 0 && !(route->flags & BODY)) ||
	       body_parse(&call->spec, route->body, req->content_type,
			  buf_text(&req->body), req->body.length, err);
}
