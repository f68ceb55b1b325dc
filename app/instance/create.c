/* The create call makes an instance, brings one back, or finds it running as asked. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/kill_point.h"
#include "base/scope.h"
#include "base/timestamp.h"
#include "engine/find.h"
#include "instance/hba.h"
#include "instance/instance.h"
#include "instance/owner.h"
#include "instance/parts.h"
#include "instance/prove.h"
#include "instance/reason.h"
#include "model/field.h"
#include "pg/conf.h"
#include "pg/verifier.h"
#include "store/disk.h"
#include "store/record_file.h"
#include "store/space_guard.h"
#include "store/spares.h"
#include "store/store.h"
#include "store/take.h"
#include "store/template.h"
#include "store/uid.h"

static bool record_new(struct record *ret, const struct spec *spec, struct error *err)
{
	if (!fields_default(ret, err))
		return false;
	ret->wanted = WANTED_RUNNING;
	owner_take(ret);
	timestamp_write(ret->created_at, time(NULL));
	fields_apply(ret, spec);
	return true;
}

/* Takes directory, uid and, if a spare is ready, the data (*ret_filled). */
static bool storage_take(struct record *record, bool *ret_filled, struct error *err)
{
	struct template template;
	struct spare spare;
	struct networks clients;
	AUTO_CONF conf = { 0 };
	bool spared;

	if ((record->disk_mb && !store_disk_can(err)) || !space_guard_has_room(err) ||
	    !hba_clients(record, &clients, err) ||
	    !store_template(record->version, &template, err))
		return false;
	spared = !record->disk_mb && store_spare_take(record->version, &template, &spare);
	if (!spared && !store_uid_take(&record->uid, err))
		return false;
	if (spared)
		record->uid = spare.uid;
	spares_poke();
	*ret_filled = spared;
	if (conf_make(&conf, record, &clients, err) &&
	    store_take(record, conf.files, spared ? &spare : NULL, err))
		return true;
	store_uid_release(record->uid);
	return false;
}

static bool create_new(struct view *view, const struct spec *spec, struct error *err)
{
	struct record *record = &view->record;
	char verifier[VERIFIER_SIZE];
	struct attempt attempt = {
		.view = view,
		.verifier = verifier,
		.password = spec->admin_password,
		.is_new = true,
		.is_ready = true,
	};
	bool filled;

	/* The engine's limits are checked before there is anything to undo. */
	if (!fields_grant(spec, NULL, err) || !engine_ping(err))
		return false;
	if (!record_new(record, spec, err) ||
	    !pg_verifier(spec->admin_password, verifier, err) ||
	    !port_claim_get(&attempt.claim, record, 0, err))
		return false;
	kill_point("create.claimed");
	/* The index learns of the instance first, since only indexed instances are
	 * undone. */
	if (!instance_show(view, STARTING, err) || !storage_take(record, &filled, err)) {
		index_drop(record->storage_dir);
		port_claim_undo(&attempt.claim, record->storage_dir);
		return false;
	}
	kill_point("create.stored");
	attempt.is_empty = !filled;
	if (instance_come_up(&attempt, err))
		return true;
	instance_create_undo(view);
	return false;
}

/* A running server gives the same answer to the same request, else the field that
 * differs. */
static bool create_same(struct view *view, const struct spec *spec, struct error *err)
{
	struct record *record = &view->record;
	const char *field = fields_differ(record, spec);
	struct attempt attempt = { .view = view, .password = spec->admin_password };
	struct error why;

	if (field)
		return instance_differs(record, field, err);
	if (!prove(&attempt, &why)) {
		*err = why;
		if (why.code != ERR_PASSWORD)
			return false;
		return fail_at(err, ERR_ALREADY_EXISTS, "admin_password",
			       "%s runs, and this password does not log in: %s",
			       record->storage_dir, why.message);
	}
	if (!reason_prove(record, attempt.note, view->state == RUNNING) &&
	    view->state == RUNNING && !fields_renew(spec))
		return true;
	fields_apply(record, spec);
	record_want(record, WANTED_RUNNING);
	return store_save(record, err) && instance_show(view, RUNNING, err);
}

static bool directory_is_there(const struct view *view, struct error *err)
{
	return store_exists(view->record.storage_dir) ||
	       fail_at(err, ERR_FOREIGN_DATA, "storage_dir",
		       "the directory of %s is gone; bring it back, or DELETE %s first",
		       view->record.storage_dir, view->record.storage_dir);
}

static bool create_again(struct view *view, const struct spec *spec, struct error *err)
{
	struct container container;
	char verifier[VERIFIER_SIZE];
	struct attempt attempt = {
		.view = view,
		.verifier = verifier,
		.password = spec->admin_password,
	};
	AUTO_VIEW was = view_copy(view);

	if (!instance_is_sound(view, err) || !fields_grant(spec, &view->record, err) ||
	    !directory_is_there(view, err) ||
	    !engine_inspect(view->record.storage_dir, &container, err))
		return false;
	if (view_is_served_by(view, &container))
		return create_same(view, spec, err);
	if (GIVEN(spec, record.version) && spec->record.version != view->record.version)
		return instance_differs(&view->record, "version", err);
	if (!instance_can_grow(&view->record, spec, err))
		return false;
	if (!pg_verifier(spec->admin_password, verifier, err))
		return false;
	fields_apply(&view->record, spec);
	return instance_bring_back(&attempt, &was, err);
}

bool instance_create(const struct spec *spec, struct view *ret, struct error *err)
{
	AUTO_LOCK *lock = lock_get(spec->record.storage_dir, INSTANCE_LOCK_WAIT_MS, err);
	AUTO_VIEW view = { 0 };
	bool ok;

	if (!lock)
		return false;
	ok = index_get(spec->record.storage_dir, &view);
	if (ok && instance_is_refused(&view)) {
		if (!instance_undo_refused(&view, err))
			return false;
		view_done(&view);
		view = (struct view){ 0 };
		ok = false;
	}
	ok = ok ? create_again(&view, spec, err) : create_new(&view, spec, err);
	return ok && instance_give(ret, &view);
}
