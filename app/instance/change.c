/* Changes an instance's fields and password; a failure leaves the old values. */
#include <stdio.h>

#include "base/log.h"
#include "instance/hba.h"
#include "instance/instance.h"
#include "instance/parts.h"
#include "instance/port_claim.h"
#include "instance/ports.h"
#include "instance/prove.h"
#include "instance/reason.h"
#include "model/field.h"
#include "pg/verifier.h"
#include "store/disk.h"
#include "store/record_file.h"
#include "store/store.h"

/* The port of a server that does not run is changed in record and claims only. */
static bool change_port_at_rest(struct view *view, int had, struct error *err)
{
	struct record *record = &view->record;
	struct port_claim claim;

	if (view->state == STORED)
		return fail_at(
			err, ERR_NOT_RUNNING, "port",
			"%s is stored and has no port; give one when it is started",
			record->storage_dir);
	if (!port_claim_get(&claim, record, had, err))
		return false;
	if (!store_save(record, err)) {
		port_claim_undo(&claim, record->storage_dir);
		return false;
	}
	port_claim_keep(&claim, record->storage_dir);
	ports_release(had, record->storage_dir);
	return instance_show(view, view->state, err);
}

static void admit_undo(const struct record *record, bool runs)
{
	struct error err;

	if (!hba_change(record, runs, &err))
		log_warn("clients not restored name=%s error=%s", record->storage_dir,
			 LOG_TEXT(err.message));
}

/* Changes limits, labels and clients without a restart. A grown disk keeps its size. */
static bool change_in_place(struct view *view, const struct view *was,
			    const struct spec *spec, bool runs, struct error *err)
{
	struct record *record = &view->record;
	struct view before = *was; /* labels are borrowed */
	struct attempt attempt = { .view = view };
	struct error ignored;
	bool limits = record->memory_mb != was->record.memory_mb ||
		      record->cpus != was->record.cpus;
	bool grows =
		record->disk_mb != was->record.disk_mb && record->wanted != WANTED_STORED;
	bool access = GIVEN(spec, record.allow) || GIVEN(spec, record.tls);

	if (store_save(record, err) && (!access || hba_change(record, runs, err)) &&
	    (!limits || !runs || reconcile(&attempt, err)) &&
	    (!grows || store_disk_up(record, false, err)) &&
	    instance_show(view, view->state, err))
		return true;
	/* The old record is saved even after a failed save, since the new one may be in
	 * place, only not synced. */
	before.record.disk_mb = store_disk_mb(&before.record);
	record_keep_uid(&before.record, record);
	store_save(&before.record, &ignored);
	if (limits && runs)
		reconcile(&(struct attempt){ .view = &before }, &ignored);
	if (access)
		admit_undo(&before.record, runs);
	if (before.record.uid != was->record.uid) /* a start, that of the undoing too */
		instance_show(&before, before.state, &ignored);
	return false;
}

/* A server that went down for want of what it has now, such as room on its disk, may come
 * up. If it does not, its state says so. */
static bool try_eased(struct view *view, struct error *err)
{
	struct attempt attempt = { .view = view };
	AUTO_VIEW was = view_copy(view);
	struct error ignored;

	if (view->state != FAILED && view->state != STARTING)
		return true;
	if (instance_bring_back(&attempt, &was, &ignored))
		return true;
	view_done(view);
	*view = (struct view){ 0 };
	return index_get(was.record.storage_dir, view) ||
	       fail(err, ERR_NOT_FOUND, "the instance is gone");
}

bool instance_change(const char *name, const struct spec *spec, struct view *ret,
		     bool *ret_restarted, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = instance_hold(name, &view, err);
	struct attempt attempt = { .view = &view, .is_forced = true };
	AUTO_VIEW was = view_copy(&view);
	bool moves, restarts, runs, eased, ok;

	if (!lock || !fields_grant(spec, &view.record, err) ||
	    !instance_can_grow(&view.record, spec, err) ||
	    !instance_runs(&view, &runs, err))
		return false;
	fields_apply(&view.record, spec);
	eased = fields_end_reason(&was.record, &view.record) ||
		view.record.disk_mb != was.record.disk_mb;
	if (fields_end_reason(&was.record, &view.record))
		view.record.reason[0] = '\0';
	moves = view.record.port != was.record.port;
	restarts = runs && fields_restart(&was.record, &view.record);
	if (restarts)
		ok = instance_bring_back(&attempt, &was, err);
	else if (moves)
		ok = change_port_at_rest(&view, was.record.port, err);
	else
		ok = change_in_place(&view, &was, spec, runs, err) &&
		     (runs || !eased || try_eased(&view, err));
	if (ok)
		instance_disk_look(&view);
	*ret_restarted = restarts;
	return ok && instance_give(ret, &view);
}

bool instance_set_password(const char *name, const char *password, struct view *ret,
			   struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = instance_hold(name, &view, err);
	struct attempt attempt = { .view = &view, .password = password };
	char verifier[VERIFIER_SIZE];
	bool runs;

	if (!lock || !instance_runs(&view, &runs, err))
		return false;
	if (!runs)
		return fail(err, ERR_NOT_RUNNING, "%s does not run; start it first",
			    name);
	attempt.verifier = verifier;
	if (!pg_verifier(password, verifier, err) || !prove_new_password(&attempt, err))
		return false;
	if (reason_prove(&view.record, attempt.note, true) &&
	    (!store_save(&view.record, err) || !instance_show(&view, view.state, err)))
		return false;
	return instance_give(ret, &view);
}
