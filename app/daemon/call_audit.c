/* Action and fields come from tables, and name and path were checked, or are escaped. */
#include "daemon/call_audit.h"

#include "base/audit_begun.h"
#include "daemon/router.h"
#include "model/field.h"

/* The name in the path, in the body, or in the id of the trash entry. */
static void name_of(const struct call *call, char ret[NAME_SIZE])
{
	const char *name =
		*call->storage_dir ? call->storage_dir : call->spec.record.storage_dir;

	if (*call->trash_id)
		store_trash_name(call->trash_id, ret);
	else
		snprintf(ret, NAME_SIZE, "%s", name);
}

/* Some calls are another action by their parameters. */
static const char *action_of(const struct call *call)
{
	if (call->query.purge)
		return "purge";
	return call->spec.dry_run ? "purge_dry_run" : call->route->action;
}

/* given_names has room for the names of the fields. */
static struct audit line_of(const struct call *call, const char *name,
			    char given_names[FIELDS_NAMES_SIZE])
{
	fields_names(call->query.given | call->spec.given, given_names);
	return (struct audit){
		.who = call->caller.name,
		.token = call->caller.id,
		.from = call->req->remote_addr,
		.method = call->req->method,
		.path = call->req->path,
		.action = action_of(call),
		.name = name,
		.trash = call->trash_id,
		.fields = given_names,
	};
}

void call_audit_begin(struct call *call, const char *name)
{
	char given[FIELDS_NAMES_SIZE], own[NAME_SIZE];
	struct audit line;

	name_of(call, own);
	line = line_of(call, name ? name : own, given);
	audit_end(&call->begun);
	call->begun = audit_begin(&line);
}

void call_audit_one(struct call *call, const char *name, const struct error *err)
{
	char given[FIELDS_NAMES_SIZE];
	struct audit line = line_of(call, name, given);

	line.wrong = err && field_exists(err->field) ? err->field : NULL;
	line.err = err;
	call->is_audited = true;
	audit(&line);
	audit_end(&call->begun);
}

void call_audit(struct call *call, const struct error *err)
{
	char name[NAME_SIZE];

	name_of(call, name);
	if (!call->is_audited)
		call_audit_one(call, name, err);
	audit_end(&call->begun);
}
