/* Calls on an instance hold its lock, so that they queue up. */
#include "instance/instance.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/deadline.h"
#include "base/kill_point.h"
#include "base/log.h"
#include "engine/find.h"
#include "instance/hba.h"
#include "instance/parts.h"
#include "instance/port_claim.h"
#include "instance/ports.h"
#include "instance/prove.h"
#include "instance/reconcile.h"
#include "model/field.h"
#include "model/locks.h"
#include "pg/certificate.h"
#include "pg/conf.h"
#include "pg/role_shut.h"
#include "pg/verifier.h"
#include "store/conf_files.h"
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
		fail(err, ERR_NOT_FOUND, "instance %s does not exist", name);
	else if (instance_is_refused(ret)) {
		if (instance_undo_refused(ret, err))
			fail(err, ERR_NOT_FOUND, "instance %s does not exist", name);
	} else if (instance_is_sound(ret, err))
		return lock;
	lock_put(lock);
	return NULL;
}

bool instance_show(struct view *view, enum state state, struct error *err)
{
	view->state = state;
	if (state == STOPPING || state == STOPPED || state == STORED)
		view->is_proven = false;
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

/* Hands a view over to the caller of this module. */
bool instance_give(struct view *ret, struct view *view)
{
	*ret = *view;
	view->record.labels = NULL;
	return true;
}

bool instance_runs(const struct view *view, bool *ret_runs, struct error *err)
{
	struct container container;

	if (!engine_inspect(view->record.storage_dir, &container, err))
		return false;
	*ret_runs = view_is_served_by(view, &container);
	return true;
}

/*
 * Whether a server that runs must be restarted for a safe start, since nobody can log in.
 * False where that would help nobody.
 */
static bool safe_is_needed(struct view *view, bool *ret_needed, struct error *err)
{
	struct attempt attempt = { .view = view };
	struct error why;
	enum role_shut shut;

	if (!prove(&attempt, &why)) {
		*ret_needed = why.code == ERR_SERVER;
		return true;
	}
	*ret_needed = hba_probe(&view->record, HBA_PROBE_MS, &why) == PG_NO_TLS;
	if (*ret_needed)
		return true;
	shut = role_shut_by(&view->record, err);
	*ret_needed = shut == SHUT_BY_SERVER;
	return shut != SHUT_BY_ROLE;
}

bool instance_start(const char *name, const struct spec *spec, struct view *ret,
		    struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = instance_hold(name, &view, err);
	struct attempt attempt = { .view = &view,
				   .is_safe = spec->safe,
				   .is_forced = spec->safe };
	AUTO_VIEW was = view_copy(&view);
	bool runs, needed;

	if (!lock || !fields_grant(spec, &view.record, err) ||
	    !instance_runs(&view, &runs, err))
		return false;
	if (runs && GIVEN(spec, record.port) && spec->record.port != view.record.port)
		return instance_differs(&view.record, "port", err);
	needed = !runs || view.state != RUNNING;
	if (!needed && spec->safe && !safe_is_needed(&view, &needed, err))
		return false;
	if (!needed)
		return instance_give(ret, &view);
	fields_apply(&view.record, spec);
	return instance_bring_back(&attempt, &was, err) && instance_give(ret, &view);
}

bool instance_restart(const char *name, struct view *ret, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = instance_hold(name, &view, err);
	struct attempt attempt = { .view = &view, .is_forced = true };
	AUTO_VIEW was = view_copy(&view);

	return lock && engine_ping(err) && instance_bring_back(&attempt, &was, err) &&
	       instance_give(ret, &view);
}

bool instance_stop(const char *name, struct view *ret, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = instance_hold(name, &view, err);

	if (!lock)
		return false;
	if (view.state != STORED && !instance_bring_down(&view, WANTED_STOPPED, 0, err))
		return false;
	return instance_give(ret, &view);
}

bool instance_logs(const char *name, int tail, struct buf *log, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_BUF own = { 0 };
	struct error ignored;
	int lines = 0;

	if (!index_get(name, &view))
		return fail(err, ERR_NOT_FOUND, "instance %s does not exist", name);
	store_log_tail(&view.record, tail, &own, &ignored);
	for (size_t i = 0; i < own.length; i++)
		lines += own.data[i] == '\n';
	if (lines < tail && view.container_id[0])
		engine_logs(view.container_id, 0, tail - lines, log, &ignored);
	return buf_append(log, buf_text(&own), own.length) ||
	       fail(err, ERR_INTERNAL, "out of memory");
}

/* A file of a version before may hold more than certificates. */
static bool certificate_read(const struct record *record, const char *name,
			     struct buf *ret)
{
	AUTO_BUF text = { 0 };
	struct error ignored;

	return store_conf_read(record, name, &text, &ignored) &&
	       certificates_of(buf_text(&text), ret);
}

bool instance_certificate(const char *name, struct buf *ret, struct error *err)
{
	AUTO_VIEW view = { 0 };

	if (!index_get(name, &view))
		return fail(err, ERR_NOT_FOUND, "instance %s does not exist", name);
	if (certificate_read(&view.record, CONF_CERTIFICATE_NAME, ret) ||
	    certificate_read(&view.record, CONF_OWN_CERTIFICATE_NAME, ret))
		return true;
	if (view.state == STARTING)
		return fail(err, ERR_STARTING, "instance %s is still being made", name);
	return fail(err, ERR_FOREIGN_DATA, "the directory of %s has no certificate",
		    name);
}
