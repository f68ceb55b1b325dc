/* The record names both uids as long as files may have either. */
#include "instance/uid_move.h"

#include <stdio.h>

#include "base/audit_begun.h"
#include "base/kill_point.h"
#include "base/log.h"
#include "store/move.h"
#include "store/record_file.h"
#include "store/uid.h"

static bool move_finish(struct record *record, struct error *err)
{
	int was = record->uid_was;
	AUTO_BEGUN int begun = 0;

	if (!was)
		return true;
	begun = audit_begin_own("move_uid", record->storage_dir, "uid");
	if (!store_move(record, err))
		return fail_because(err, "its user id cannot be changed from %d to %d",
				    was, record->uid);
	kill_point("move.moved");
	record->uid_was = 0;
	if (!store_save(record, err)) {
		record->uid_was = was;
		return false;
	}
	kill_point("move.done");
	store_uid_release(was);
	log_info("uid changed name=%s uid=%d was_uid=%d", record->storage_dir,
		 record->uid, was);
	audit_own("move_uid", record->storage_dir, "uid");
	return true;
}

/* The old record is saved even after a failed save, since the new one may be in place,
 * only not synced. */
static bool move_begin(struct record *record, struct error *err)
{
	struct error ignored;
	int was = record->uid, uid;

	if (!store_move_can(record, err) || !store_uid_take(&uid, err))
		return false;
	record->uid = uid;
	record->uid_was = was;
	if (store_save(record, err)) {
		kill_point("move.saved");
		return true;
	}
	record->uid = was;
	record->uid_was = 0;
	store_save(record, &ignored);
	store_uid_release(uid);
	return false;
}

bool uid_move(struct attempt *attempt, struct error *err)
{
	struct record *record = &attempt->view->record;
	struct error why;

	if (!move_finish(record, err))
		return false;
	if (!store_uid_must_move(record->uid))
		return true;
	if (move_begin(record, &why))
		return move_finish(record, err);
	log_warn("uid not changed name=%s uid=%d error=%s", record->storage_dir,
		 record->uid, LOG_TEXT(why.message));
	attempt_note(attempt, "its user id %d stays: %.80s", record->uid, why.message);
	return true;
}
