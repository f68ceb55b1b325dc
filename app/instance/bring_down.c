/* A stop saves what should be first, and puts the record back when it fails. */
#include "base/kill_point.h"
#include "base/log.h"
#include "instance/parts.h"
#include "instance/ports.h"
#include "store/record_file.h"

/* A failed stop may have ended the server or not; the engine tells which. */
static void bring_down_undo(struct view *before)
{
	struct error ignored;
	bool runs;

	if (!store_save(&before->record, &ignored))
		log_error("record not saved name=%s error=%s", before->record.storage_dir,
			  LOG_TEXT(ignored.message));
	if (before->state == RUNNING &&
	    (!instance_runs(before, &runs, &ignored) || !runs)) {
		before->state = STARTING; /* the next look brings it back */
		before->is_proven = false;
	}
	instance_show(before, before->state, &ignored);
}

static bool reconcile_down(struct view *view, struct error *err)
{
	struct attempt attempt = { .view = view };

	kill_point("down.saved");
	if (!reconcile(&attempt, err))
		return false;
	kill_point("down.done");
	return true;
}

bool instance_bring_down(struct view *view, enum wanted wanted, long long expires_at,
			 struct error *err)
{
	struct record *record = &view->record;
	AUTO_VIEW before = view_copy(view);

	if (!engine_ping(err))
		return false; /* it goes on as it was, and says so */
	record_want(record, wanted);
	record->reason[0] = '\0';
	if (wanted == WANTED_STORED) {
		record->port = 0;
		record->expires_at = expires_at;
	}
	if (store_save(record, err) && instance_show(view, STOPPING, err) &&
	    reconcile_down(view, err)) {
		if (wanted == WANTED_STORED)
			ports_release(before.record.port, record->storage_dir);
		return instance_show(view, wanted == WANTED_STORED ? STORED : STOPPED,
				     err);
	}
	bring_down_undo(&before);
	return false;
}
