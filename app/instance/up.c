/* Bringing a server up, and undoing it. */
#include <stdio.h>
#include <string.h>

#include "base/kill_point.h"
#include "base/log.h"
#include "base/process.h"
#include "instance/instance.h"
#include "instance/parts.h"
#include "instance/ports.h"
#include "instance/reconcile.h"
#include "store/disk.h"
#include "store/record_file.h"
#include "store/take.h"
#include "store/uid.h"

#define PORT_TRIES 5 /* of automatic allocation, when one turns out to be taken */

static bool port_refused(const struct port_claim *claim, struct error *err)
{
	char cause[200];

	snprintf(cause, sizeof(cause), "%.199s", err->message);
	return fail_at(err, ERR_PORT_IN_USE, "port", "port %d cannot be had: %s",
		       claim->port, cause);
}

static bool try_port(struct bringing *bringing, struct error *err)
{
	struct view *view = bringing->view;
	struct record *record = &view->record;

	if (!bringing->is_ready &&
	    !port_claim_get(&bringing->claim, record, bringing->had, err))
		return false;
	kill_point("up.claimed");
	bringing->is_touched = true;
	bringing->work.start.record = record;
	if (!instance_show(view, STARTING, err) ||
	    (!bringing->is_ready && !store_save(record, err)))
		return false;
	kill_point("up.saved");
	if (!reconcile(&bringing->work, err))
		return false;
	if (*bringing->work.start.note)
		snprintf(record->reason, sizeof(record->reason), "%s",
			 bringing->work.start.note);
	memcpy(view->container_id, bringing->work.start.container_id,
	       sizeof(view->container_id));
	view->restarts = 0;
	view->unheard = 0;
	view->is_known = true;
	record->acknowledged = true;
	if (!store_save(record, err))
		return false;
	kill_point("up.acknowledged");
	return instance_show(view, RUNNING, err);
}

bool instance_bring_up(struct bringing *bringing, struct error *err)
{
	struct record *record = &bringing->view->record;
	struct port_claim *claim = &bringing->claim;

	for (int i = 0; i < PORT_TRIES; i++) {
		if (try_port(bringing, err)) {
			port_claim_keep(claim, record->storage_dir);
			return true;
		}
		if (!bringing->is_touched)
			return false;
		port_claim_undo(claim, record->storage_dir);
		bringing->is_ready = false;
		if (err->code != ERR_PORT_IN_USE)
			return false;
		if (!claim->is_any)
			return port_refused(claim, err);
		record->port = 0; /* another one, then */
	}
	return false;
}

bool instance_create_undo(struct view *view)
{
	struct work work = { .start.record = &view->record };
	struct error err;
	bool ok;

	record_want(&view->record, WANTED_STORED);
	view->record.acknowledged = false;
	instance_show(view, STOPPING, &err);
	ok = reconcile(&work, &err);
	/* An engine that was killed amid a start can forget a server that runs. */
	if (ok)
		process_kill_uid(view->record.uid);
	if (!ok || !store_discard(view->record.storage_dir, &err)) {
		log_error("left behind name=%s error=%s", view->record.storage_dir,
			  LOG_TEXT(err.message));
		return false;
	}
	ports_release(view->record.port, view->record.storage_dir);
	index_drop(view->record.storage_dir);
	store_uid_release(view->record.uid);
	return true;
}

bool instance_is_refused(const struct view *view)
{
	return !view->record.acknowledged && !view->is_foreign && view->record.labels;
}

bool instance_undo_refused(struct view *view, struct error *err)
{
	return instance_create_undo(view) ||
	       fail(err, ERR_ENGINE, "an earlier create of %s cannot be undone yet",
		    view->record.storage_dir);
}

/*
 * Back to what it was, but for a disk that grew; a server that ran is brought up again as
 * it was. Not where it was the server itself that did not come up, perhaps for minutes:
 * then that is for the reconciler to try, and not for whoever waits for an answer.
 */
static void bring_back_undo(struct view *before, const struct error *why)
{
	struct work work = { .start.record = &before->record };
	bool ran = before->state == RUNNING, is_its_own = why->code == ERR_SERVER;
	struct error err;

	before->record.disk_mb = store_disk_mb(&before->record);
	before->container_id[0] = '\0';
	if (!ran && before->record.wanted != WANTED_RUNNING)
		before->is_left = !reconcile(&work, &err); /* it may have come up */
	if (ran && !is_its_own && reconcile(&work, &err))
		memcpy(before->container_id, work.start.container_id,
		       sizeof(before->container_id));
	else if (ran || is_its_own)
		before->state = FAILED;
	if (before->state == FAILED)
		snprintf(before->record.reason, sizeof(before->record.reason), "%.199s",
			 why->message);
	if (!store_save(&before->record, &err))
		log_error("record not saved name=%s error=%s", before->record.storage_dir,
			  LOG_TEXT(err.message));
	instance_show(before, before->state, &err);
}

bool instance_bring_back(struct bringing *bringing, const struct view *was,
			 struct error *err)
{
	struct view *view = bringing->view;
	struct record *record = &view->record;
	AUTO_VIEW before = view_copy(was);

	bringing->had = before.record.port;
	record_want(record, WANTED_RUNNING);
	record->outside_since_ms = 0;
	record->reason[0] = '\0';
	if (instance_bring_up(bringing, err)) {
		if (before.record.port != record->port)
			ports_release(before.record.port, record->storage_dir);
		return true;
	}
	if (bringing->is_touched)
		bring_back_undo(&before, err);
	return false;
}
