/* A bring-back succeeds whole, or leaves the instance as it was. */
#include <stdio.h>
#include <string.h>

#include "base/kill_point.h"
#include "base/log.h"
#include "instance/parts.h"
#include "instance/ports.h"
#include "store/disk.h"
#include "store/record_file.h"

#define PORT_TRIES 5 /* of automatic allocation, when one turns out to be taken */

static bool port_refused(const struct port_claim *claim, struct error *err)
{
	char cause[200];

	snprintf(cause, sizeof(cause), "%.199s", err->message);
	return fail_at(err, ERR_PORT_IN_USE, "port", "port %d is not available: %s",
		       claim->port, cause);
}

static bool try_port(struct attempt *attempt, struct error *err)
{
	struct view *view = attempt->view;
	struct record *record = &view->record;

	if (!attempt->is_ready &&
	    !port_claim_get(&attempt->claim, record, attempt->had_port, err))
		return false;
	kill_point("up.claimed");
	attempt->is_touched = true;
	if (!instance_show(view, STARTING, err) ||
	    (!attempt->is_ready && !store_save(record, err)))
		return false;
	kill_point("up.saved");
	if (!reconcile(attempt, err))
		return false;
	snprintf(record->reason, sizeof(record->reason), "%s", attempt->note);
	record->acknowledged = true;
	if (!store_save(record, err))
		return false;
	kill_point("up.acknowledged");
	return instance_show(view, RUNNING, err);
}

bool instance_come_up(struct attempt *attempt, struct error *err)
{
	struct record *record = &attempt->view->record;
	struct port_claim *claim = &attempt->claim;

	for (int i = 0; i < PORT_TRIES; i++) {
		if (try_port(attempt, err)) {
			port_claim_keep(claim, record->storage_dir);
			return true;
		}
		if (!attempt->is_touched)
			return false;
		port_claim_undo(claim, record->storage_dir);
		attempt->is_ready = false;
		if (err->code != ERR_PORT_IN_USE)
			return false;
		if (!claim->is_any)
			return port_refused(claim, err);
		record->port = 0; /* another one, then */
	}
	return false;
}

/*
 * Back to what it was, but for a disk that grew; a server that ran is brought up again as
 * it was. Not where it was the server itself that did not come up, perhaps for minutes:
 * then that is for a look to try, and not for whoever waits for an answer. A look also
 * ends what the refused start left where that cannot be ended now.
 */
static void bring_back_undo(struct view *before, const struct error *why)
{
	struct attempt attempt = { .view = before };
	bool ran = before->state == RUNNING, is_its_own = why->code == ERR_SERVER;
	bool is_back = false;
	struct error err;

	before->record.disk_mb = store_disk_mb(&before->record);
	before->container_id[0] = '\0';
	before->is_proven = false;
	if (ran ? !is_its_own : before->record.wanted != WANTED_RUNNING)
		is_back = reconcile(&attempt, &err); /* it may have come up */
	if (is_its_own || (ran && !is_back))
		before->state = FAILED;
	if (before->state == FAILED)
		snprintf(before->record.reason, sizeof(before->record.reason), "%s",
			 why->message);
	if (!store_save(&before->record, &err))
		log_error("record not saved name=%s error=%s", before->record.storage_dir,
			  LOG_TEXT(err.message));
	instance_show(before, before->state, &err);
}

bool instance_bring_back(struct attempt *attempt, const struct view *was,
			 struct error *err)
{
	struct record *record = &attempt->view->record;
	AUTO_VIEW before = view_copy(was);

	attempt->had_port = before.record.port;
	record_want(record, WANTED_RUNNING);
	if (instance_come_up(attempt, err)) {
		if (before.record.port != record->port)
			ports_release(before.record.port, record->storage_dir);
		return true;
	}
	record_keep_uid(&before.record, record);
	if (attempt->is_touched)
		bring_back_undo(&before, err);
	record_keep_uid(record, &before.record); /* the undoing may have changed it */
	return false;
}
