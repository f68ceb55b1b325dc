/*
 * Path and query, through the router and the handlers down to the domain, for which others
 * stand in: lines with method, path, query, media type and encoding, then the body.
 */
#include "base/scope.h"
#include "daemon/api.h"
#include "daemon/router.h"
#include "fuzz.h"
#include "instance/instance.h"
#include "model/field.h"
#include "store/space_guard.h"

/* ---- the domain ---- */

static bool seen(const char *name, struct view *ret)
{
	must(name_is_valid(name));
	must(index_get("demo", ret));
	return true;
}

static void must_be_of(const struct spec *spec, unsigned calls)
{
	for (const struct field *field = fields; field->name; field++)
		must((field->calls & calls) || !field_is_given(spec, field->offset));
}

bool instance_create(const struct spec *spec, struct view *ret, struct error *err)
{
	(void)err;
	must(GIVEN(spec, admin_password));
	must_be_of(spec, IN_CREATE);
	return seen(spec->record.storage_dir, ret);
}

bool instance_change(const char *name, const struct spec *spec, struct view *ret,
		     bool *ret_restarted, struct error *err)
{
	(void)err;
	must_be_of(spec, IN_CHANGE);
	*ret_restarted = false;
	return seen(name, ret);
}

bool instance_start(const char *name, const struct spec *spec, struct view *ret,
		    struct error *err)
{
	(void)err;
	must_be_of(spec, IN_START);
	return seen(name, ret);
}

bool instance_stop(const char *name, struct view *ret, struct error *err)
{
	(void)err;
	return seen(name, ret);
}

bool instance_restart(const char *name, struct view *ret, struct error *err)
{
	(void)err;
	return seen(name, ret);
}

bool instance_adopt(const char *name, struct view *ret, bool *ret_adopted,
		    struct error *err)
{
	(void)err;
	*ret_adopted = true;
	return seen(name, ret);
}

bool instance_delete(const char *name, bool purge, struct view *ret, struct error *err)
{
	(void)err;
	(void)purge;
	return seen(name, ret);
}

bool instance_set_password(const char *name, const char *password, struct view *ret,
			   struct error *err)
{
	(void)err;
	must(*password);
	return seen(name, ret);
}

bool instance_logs(const char *name, int tail, struct buf *log, struct error *err)
{
	(void)log;
	(void)err;
	must(name_is_valid(name) && tail >= 1);
	return true;
}

bool instance_certificate(const char *name, struct buf *ret, struct error *err)
{
	(void)ret;
	(void)err;
	must(name_is_valid(name));
	return true;
}

bool instance_purge_stopped(int days, const char *prefix, bool is_dry,
			    instance_purging *begins, instance_purged *each, void *user,
			    struct error *err)
{
	(void)prefix;
	(void)is_dry;
	(void)err;
	must(days >= 0);
	begins("demo", user);
	each("demo", NULL, user);
	return true;
}

bool instance_trash_list(struct trash_entry **ret, size_t *ret_count, struct error *err)
{
	(void)err;
	*ret = NULL;
	*ret_count = 0;
	return true;
}

bool instance_trash_restore(const char *id, struct view *ret, struct error *err)
{
	(void)err;
	must(store_trash_id_is_valid(id));
	return seen("demo", ret);
}

bool instance_trash_remove(const char *id, struct error *err)
{
	(void)err;
	must(store_trash_id_is_valid(id));
	return true;
}

bool space_guard_look(struct space_guard *ret, struct error *err)
{
	(void)ret;
	(void)err;
	return true;
}

/* ---- the calls ---- */

static void init(void)
{
	struct view view = { .record = { .storage_dir = "demo",
					 .port = 6123,
					 .version = 15,
					 .memory_mb = 512,
					 .cpus = 1 },
			     .state = RUNNING };

	config_use(fuzz_config());
	view.record.labels = json_pack("{s:s}", "team", "blue");
	must(view.record.labels && index_put(&view));
	view_done(&view);
}

static bool serve(struct call *call, struct error *err)
{
	const struct route *route =
		route_find(call, call->res->allow, sizeof(call->res->allow), err);

	if (!route)
		return false;
	must(*call->storage_dir == '\0' || name_is_valid(call->storage_dir));
	must(*call->trash_id == '\0' || store_trash_id_is_valid(call->trash_id));
	call->route = route;
	return route_allows(route, call, err) && route_read(route, call, err) &&
	       route->handler(call, err);
}

static void request_run(struct request *req)
{
	struct response res = { 0 };
	struct call call = { .req = req, .res = &res };
	struct error err = { 0 };
	AUTO_BUF text = { 0 };

	call.caller = (struct caller){ .is_known = true, .scope = SCOPE_ADMIN };
	if (!serve(&call, &err)) {
		must_be_an_error(&err);
		must(strstr(req->path, "canary") || /* as passwords here have it */
		     strstr(err.field, "canary") || !strstr(err.message, "canary"));
		must(err.code != ERR_INTERNAL);
	} else {
		must(res.status >= 200);
		must(res.text_type || buf_json(&text, res.json, JSON_COMPACT));
	}
	response_done(&res);
	spec_done(&call.query);
	spec_done(&call.spec);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { (const char *)data, size };
	AUTO_FREE char *method = input_text(&input, "\n");
	AUTO_FREE char *path = input_text(&input, "\n");
	AUTO_FREE char *query = input_text(&input, "\n");
	AUTO_FREE char *type = input_text(&input, "\n");
	AUTO_FREE char *encoding = input_text(&input, "\n");
	static bool is_ready;
	FCGX_Request fcgi = { .envp = NULL };
	struct request req = {
		.fcgi = &fcgi,
		.id = "fuzz-0001",
		.method = method,
		.path = path,
		.query = query,
		.content_type = type,
		.content_encoding = encoding,
		.remote_addr = "",
		.host = "localhost",
		.origin = "",
		.sec_fetch_site = "",
		.authorization = "",
	};

	if (!is_ready)
		init();
	is_ready = true;
	must(buf_append(&req.body, input.data, input.left));
	request_run(&req);
	request_done(&req);
	return 0;
}
