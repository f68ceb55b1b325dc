/* Handlers of instances: each checks, makes one call into the domain, and shows the
 * result. */
#include "daemon/api.h"

#include <string.h>

#include "base/scope.h"
#include "daemon/api_parts.h"
#include "instance/index.h"
#include "instance/instance.h"
#include "model/field.h"

/* Limit of a page and of logs. nginx buffers more (fastcgi_buffers), so a slow reader
 * holds no worker. */
#define ANSWER_BYTES_MAX (768 * 1024)

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

static bool answer_text(struct call *call, const char *type)
{
	call->res->status = 200;
	call->res->text_type = type;
	return true;
}

struct listing {
	const struct caller *caller;
	json_t *containers;
	bool by_state;
	enum state state;
	const char *label; /* key=value, NULL: any */
	size_t limit;
	size_t bytes; /* bytes that they take as JSON */
	bool more;
	bool failed; /* out of memory */
};

/* Each page has at least one instance, so that the list goes on. */
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
	if (listing->label && !labels_have(view->record.labels, listing->label))
		return true;
	if (json_array_size(listing->containers) == listing->limit) {
		listing->more = true;
		return false;
	}
	json = view_to_json(view);
	json_object_del(json, "status"); /* the list has a status of its own */
	if (!page_has_room(listing, json)) {
		json_decref(json);
		listing->more = true;
		return false;
	}
	listing->failed = json_array_append_new(listing->containers, json) != 0;
	return !listing->failed;
}

static bool listing_parse(const struct spec *query, struct listing *listing,
			  struct error *err)
{
	listing->limit = (size_t)query->limit;
	listing->by_state = GIVEN(query, state);
	listing->label = GIVEN(query, label) ? query->label : NULL;
	if (listing->by_state && !state_from_name(&listing->state, query->state))
		return fail_field(
			err, "state",
			"must be one of: starting running stopping stopped stored failed");
	return !listing->label || strchr(listing->label, '=') ||
	       fail_field(err, "label", "must be key=value");
}

bool containers_list(struct call *call, struct error *err)
{
	struct listing listing = { .caller = &call->caller };
	json_t *last, *next;

	if (!listing_parse(&call->query, &listing, err))
		return false;
	listing.containers = json_array();
	index_walk(call->query.after, list_add, &listing);
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

	if (!caller_sees(&call->caller, call->spec.record.storage_dir))
		return fail_at(err, ERR_FORBIDDEN, "storage_dir",
			       "this token is for names that begin with %s",
			       call->caller.prefix);
	return instance_create(&call->spec, &view, err) && answer_view(call, &view, err);
}

bool container_get(struct call *call, struct error *err)
{
	AUTO_VIEW view = { 0 };

	if (!index_get(call->storage_dir, &view))
		return fail(err, ERR_NOT_FOUND, "instance %s does not exist",
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
	bool purge = call->query.purge;
	json_t *json;

	if (!instance_delete(call->storage_dir, purge, &view, err))
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
	if (call->query.follow)
		return fail_field(err, "follow",
				  "is not possible yet; ask again with tail");
	if (!instance_logs(call->storage_dir, call->query.tail, &call->res->text, err))
		return false;
	buf_keep_lines(&call->res->text, ANSWER_BYTES_MAX);
	return answer_text(call, "text/plain; charset=utf-8");
}

bool container_certificate(struct call *call, struct error *err)
{
	return instance_certificate(call->storage_dir, &call->res->text, err) &&
	       answer_text(call, "application/x-pem-file");
}
