/* Creates that were refused or cut off: all that was made for them goes. */
#include "base/log.h"
#include "base/process.h"
#include "instance/parts.h"
#include "instance/ports.h"
#include "store/store.h"
#include "store/take.h"
#include "store/uid.h"

bool instance_create_undo(struct view *view)
{
	struct attempt attempt = { .view = view };
	struct error err;
	bool ok;

	record_want(&view->record, WANTED_STORED);
	view->record.acknowledged = false;
	instance_show(view, STOPPING, &err);
	ok = reconcile(&attempt, &err);
	/* An engine that was killed amid a start can forget a server that runs. A uid that
	 * is to change may have been given to a user, whose processes are not ours. */
	if (ok && !store_uid_must_move(view->record.uid))
		process_kill_uid(view->record.uid);
	if (!ok || !store_discard(view->record.storage_dir, &err)) {
		log_error("refused create left behind name=%s error=%s",
			  view->record.storage_dir, LOG_TEXT(err.message));
		return false;
	}
	ports_release(view->record.port, view->record.storage_dir);
	index_drop(view->record.storage_dir);
	store_uid_release_record(&view->record);
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
