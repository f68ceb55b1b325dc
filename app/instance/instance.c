/* The calls on an instance. */
#include "instance/instance.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/kill_point.h"
#include "base/log.h"
#include "instance/hba.h"
#include "instance/parts.h"
#include "instance/port_claim.h"
#include "instance/ports.h"
#include "instance/reconcile.h"
#include "model/field.h"
#include "model/locks.h"
#include "pg/verifier.h"
#include "store/disk.h"
#include "store/record_file.h"
#include "store/server_log.h"
#include "store/store.h"
#include "store/trash.h"
#include "store/uid.h"

bool instance_is_sound(const struct view *view, struct error *err)
{
	if (view->is_foreign)
		return fail_at(err, ERR_FOREIGN_DATA, "storage_dir", "%s: %s",
			       view->record.storage_dir, view->record.reason);
	return view->record.labels || fail(err, ERR_INTERNAL, "out of memory");
}

struct lock *instance_hold(const char *name, struct view *ret, struct error *err)
{
	struct lock *lock = lock_get(name, INSTANCE_LOCK_WAIT_MS, err);

	if (!lock)
		return NULL;
	if (!index_get(name, ret))
		fail(err, ERR_NOT_FOUND, "there is no instance %s", name);
	else if (instance_is_refused(ret)) {
		if (instance_undo_refused(ret, err))
			fail(err, ERR_NOT_FOUND, "there is no instance %s", name);
	} else if (instance_is_sound(ret, err))
		return lock;
	lock_put(lock);
	return NULL;
}

bool instance_show(struct view *view, enum state state, struct error *err)
{
	view->state = state;
	view->is_proven = state == RUNNING;
	if (state != STARTING) /* on its way down it is seen as starting, too */
		view->is_watched = view->is_proven;
	if (state == RUNNING) {
		view->failures = 0;
		view->is_left = false;
	}
	return index_put(view) || fail(err, ERR_INTERNAL, "out of memory");
}

bool instance_can_grow(const struct record *record, const struct spec *spec,
		       struct error *err)
{
	if (!GIVEN(spec, record.disk_mb))
		return true;
	if (!record->disk_mb)
		return fail_field(err, "disk_mb",
				  "cannot be given to %s, which was made without a quota",
				  record->storage_dir);
	return spec->record.disk_mb >= record->disk_mb ||
	       fail_field(err, "disk_mb", "must be at least %d: a disk only grows",
			  record->disk_mb);
}

bool instance_differs(const struct record *record, const char *field, struct error *err)
{
	return fail_at(err, ERR_ALREADY_EXISTS, field, "%s exists with another %s",
		       record->storage_dir, field);
}

/* Hands a view to the caller of this module. */
bool instance_give(struct view *ret, struct view *view)
{
	*ret = *view;
	view->record.labels = NULL;
	return true;
}

/* Whether the server runs is for the engine to say. */
static bool runs_now(const struct view *view, bool *ret_runs, struct error *err)
{
	struct container container;

	if (!engine_inspect(view->record.storage_dir, &container, err))
		return false;
	*ret_runs = container.is_ours && container.is_running &&
		    container.port == view->record.port;
	return true;
}

bool instance_start(const char *name, const struct spec *spec, struct view *ret,
		    struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = instance_hold(name, &view, err);
	struct bringing bringing = { .view = &view, .work.start.is_safe = spec->safe };
	AUTO_VIEW was = view_copy(&view);
	bool runs;

	if (!lock || !runs_now(&view, &runs, err))
		return false;
	if (runs && GIVEN(spec, record.port) && spec->record.port != view.record.port)
		return instance_differs(&view.record, "port", err);
	if (runs && view.state == RUNNING)
		return instance_give(ret, &view);
	fields_apply(&view.record, spec);
	bringing.work.replace = spec->safe;
	return instance_bring_back(&bringing, &was, err) && instance_give(ret, &view);
}

bool instance_restart(const char *name, struct view *ret, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = instance_hold(name, &view, err);
	struct bringing bringing = { .view = &view, .work.replace = true };
	AUTO_VIEW was = view_copy(&view);

	return lock && engine_ping(err) && instance_bring_back(&bringing, &was, err) &&
	       instance_give(ret, &view);
}

/* It could not be brought down all the way: what it is now is for the engine to say. */
static void bring_down_undo(struct view *before)
{
	struct error ignored;
	bool runs;

	if (!store_save(&before->record, &ignored))
		log_error("record not saved name=%s error=%s", before->record.storage_dir,
			  LOG_TEXT(ignored.message));
	if (before->state == RUNNING && (!runs_now(before, &runs, &ignored) || !runs))
		before->state = STARTING; /* the next look brings it back */
	before->is_watched = before->state == RUNNING;
	instance_show(before, before->state, &ignored);
}

static bool reconcile_down(struct work *work, struct error *err)
{
	kill_point("down.saved");
	if (!reconcile(work, err))
		return false;
	kill_point("down.done");
	return true;
}

/* The record wants the server down, in one way or the other; makes it so or undoes.
 * expires_at: of one that is stored then. */
static bool bring_down(struct view *view, enum wanted wanted, long long expires_at,
		       struct error *err)
{
	struct record *record = &view->record;
	struct work work = { .start.record = record };
	AUTO_VIEW before = view_copy(view);

	if (!engine_ping(err))
		return false; /* it goes on as it was, and says so */
	record_want(record, wanted);
	record->outside_since_ms = 0;
	record->reason[0] = '\0';
	if (wanted == WANTED_STORED) {
		record->port = 0;
		record->expires_at = expires_at;
	}
	if (store_save(record, err) && instance_show(view, STOPPING, err) &&
	    reconcile_down(&work, err)) {
		memcpy(view->container_id, work.start.container_id,
		       sizeof(view->container_id));
		if (wanted == WANTED_STORED)
			ports_release(before.record.port, record->storage_dir);
		return instance_show(view, wanted == WANTED_STORED ? STORED : STOPPED,
				     err);
	}
	bring_down_undo(&before);
	return false;
}

bool instance_stop(const char *name, struct view *ret, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = instance_hold(name, &view, err);

	if (!lock)
		return false;
	if (view.state != STORED && !bring_down(&view, WANTED_STOPPED, 0, err))
		return false;
	return instance_give(ret, &view);
}

/* Somebody removed its directory: nothing is left but a container perhaps. */
static bool delete_gone(struct view *view, struct error *err)
{
	struct work work = { .start.record = &view->record };
	int port = view->record.port;

	record_want(&view->record, WANTED_STORED);
	if (!reconcile(&work, err))
		return false;
	view->record.port = 0;
	view->container_id[0] = '\0';
	view->state = STORED;
	ports_release(port, view->record.storage_dir);
	store_uid_release(view->record.uid);
	index_drop(view->record.storage_dir);
	return true;
}

static bool delete_held(struct view *view, bool purge, long long expires_at,
			struct view *ret, struct error *err)
{
	const char *name = view->record.storage_dir;

	if (!store_exists(name))
		return delete_gone(view, err) && instance_give(ret, view);
	if (!bring_down(view, WANTED_STORED, expires_at, err))
		return false;
	kill_point("delete.stored");
	if (purge) {
		if (!store_trash(name, err))
			return false;
		index_drop(name);
	}
	return instance_give(ret, view);
}

bool instance_delete(const char *name, bool purge, struct view *ret, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = instance_hold(name, &view, err);

	return lock && delete_held(&view, purge, view.record.expires_at, ret, err);
}

bool instance_delete_if(const char *name,
			bool (*is_it)(const struct view *view, long long than),
			long long than, bool purge, struct view *ret, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = instance_hold(name, &view, err);

	if (!lock)
		return false;
	if (!is_it(&view, than))
		return fail(err, ERR_NOT_FOUND, "%s is not to be deleted any more", name);
	purge = purge || view.record.expire_purge;
	/* Its time is over once it is stored; one to be purged is tried again until it is. */
	return delete_held(&view, purge, purge ? view.record.expires_at : 0, ret, err);
}

/* The port of a server that does not run is only a matter of records and claims. */
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
		log_warn("not known to let clients in as before name=%s error=%s",
			 record->storage_dir, LOG_TEXT(err.message));
}

/* Limits, labels and who may connect: no restart. What a disk has grown to, it keeps. */
static bool change_in_place(struct view *view, const struct view *was,
			    const struct spec *spec, bool runs, struct error *err)
{
	struct record *record = &view->record;
	struct record before = was->record; /* its labels are borrowed */
	struct work work = { .start.record = record };
	struct error ignored;
	bool limits =
		record->memory_mb != before.memory_mb || record->cpus != before.cpus;
	bool grows = record->disk_mb != before.disk_mb && record->wanted != WANTED_STORED;
	bool access = GIVEN(spec, record.allow) || GIVEN(spec, record.tls);

	if (store_save(record, err) && (!access || hba_change(record, runs, err)) &&
	    (!limits || !runs || reconcile(&work, err)) &&
	    (!grows || store_disk_up(record, false, err)) &&
	    instance_show(view, view->state, err))
		return true;
	/* Also where it was saved but not synced: the new one is in its place. */
	before.disk_mb = store_disk_mb(&before);
	store_save(&before, &ignored);
	if (limits && runs)
		reconcile(&(struct work){ .start.record = &before }, &ignored);
	if (access)
		admit_undo(&was->record, runs);
	return false;
}

/* What went down on a full disk has room now. Should it still not come up, its state says so. */
static bool try_grown(struct view *view, struct error *err)
{
	struct bringing bringing = { .view = view };
	AUTO_VIEW was = view_copy(view);
	struct error ignored;

	if (view->state != FAILED && view->state != STARTING)
		return true;
	if (instance_bring_back(&bringing, &was, &ignored))
		return true;
	view_done(view);
	*view = (struct view){ 0 };
	return index_get(was.record.storage_dir, view) ||
	       fail(err, ERR_NOT_FOUND, "it is gone");
}

bool instance_change(const char *name, const struct spec *spec, struct view *ret,
		     bool *ret_restarted, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = instance_hold(name, &view, err);
	struct bringing bringing = { .view = &view, .work.replace = true };
	AUTO_VIEW was = view_copy(&view);
	bool moves, restarts, runs, ok;

	if (!lock || !instance_can_grow(&view.record, spec, err) ||
	    !runs_now(&view, &runs, err))
		return false;
	fields_apply(&view.record, spec);
	moves = view.record.port != was.record.port;
	restarts = runs && fields_restart(&was.record, &view.record);
	if (restarts)
		ok = instance_bring_back(&bringing, &was, err);
	else if (moves)
		ok = change_port_at_rest(&view, was.record.port, err);
	else
		ok = change_in_place(&view, &was, spec, runs, err) &&
		     (runs || view.record.disk_mb == was.record.disk_mb ||
		      try_grown(&view, err));
	*ret_restarted = restarts;
	return ok && instance_give(ret, &view);
}

bool instance_set_password(const char *name, const char *password, struct view *ret,
			   struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = instance_hold(name, &view, err);
	struct start start = { .record = &view.record, .password = password };
	char verifier[VERIFIER_SIZE];
	bool runs;

	if (!lock || !runs_now(&view, &runs, err))
		return false;
	if (!runs)
		return fail(err, ERR_NOT_RUNNING, "%s does not run; start it first",
			    name);
	start.verifier = verifier;
	return pg_verifier(password, verifier, err) &&
	       bring_up_set_password(&start, err) && instance_give(ret, &view);
}

bool instance_logs(const char *name, int tail, struct buf *log, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_BUF own = { 0 };
	struct error ignored;
	int lines = 0;

	if (!index_get(name, &view))
		return fail(err, ERR_NOT_FOUND, "there is no instance %s", name);
	store_log_tail(&view.record, tail, &own, &ignored);
	for (size_t i = 0; i < own.length; i++)
		lines += own.data[i] == '\n';
	if (lines < tail && view.container_id[0])
		engine_logs(view.container_id, tail - lines, log, &ignored);
	return buf_append(log, buf_text(&own), own.length) ||
	       fail(err, ERR_INTERNAL, "out of memory");
}
