/* Reasons, and the lines of the log beside them. */
#include "instance/look_tell.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/timestamp.h"
#include "instance/diagnose.h"
#include "instance/reason.h"
#include "store/user_id_claims.h"

void look_tell_crash(struct view *view, const struct container *container, int exit_code)
{
	struct record *record = &view->record;
	char trouble[DIAGNOSIS_SIZE], when[TIMESTAMP_SIZE];

	diagnose_crash(trouble, container, record, exit_code);
	timestamp_write(when, time(NULL));
	if (container->is_running)
		snprintf(record->reason, sizeof(record->reason),
			 "it went down by itself and was restarted (%s): %s", when,
			 trouble);
	else
		snprintf(record->reason, sizeof(record->reason),
			 "it went down by itself and is being restarted: %s", trouble);
	log_warn("server went down name=%s restarts=%d reason=%s", record->storage_dir,
		 container->restarts, LOG_TEXT(trouble));
}

void look_tell_restart(struct view *view, const struct container *container)
{
	char when[TIMESTAMP_SIZE];

	timestamp_write(when, (time_t)container->started_at);
	snprintf(view->record.reason, sizeof(view->record.reason),
		 "its container was restarted outside pgberth (%s)", when);
	log_info("outside hands name=%s reason=%s", view->record.storage_dir,
		 LOG_TEXT(view->record.reason));
}

void look_tell_recovery(struct view *view, const struct container *container,
			int exit_code)
{
	char trouble[DIAGNOSIS_SIZE];

	diagnose_crash(trouble, container, &view->record, exit_code);
	snprintf(view->record.reason, sizeof(view->record.reason),
		 "it went down by itself and is recovering: %s", trouble);
	log_warn("server recovers name=%s reason=%s", view->record.storage_dir,
		 LOG_TEXT(trouble));
}

void look_tell_oom(struct view *view)
{
	char when[TIMESTAMP_SIZE];

	timestamp_write(when, time(NULL));
	snprintf(view->record.reason, sizeof(view->record.reason),
		 "out of memory (%s): a process of it was killed; its limit is %d MB, "
		 "raise memory_mb",
		 when, view->record.memory_mb);
	log_warn("out of memory name=%s", view->record.storage_dir);
}

bool look_tell_admission(struct view *view, enum pg_outcome outcome, const char *why)
{
	if (!reason_admit(&view->record, outcome, why))
		return false;
	if (reason_says_shut(view->record.reason))
		log_warn("server admits nobody name=%s reason=%s",
			 view->record.storage_dir, LOG_TEXT(why));
	return true;
}

void look_tell_pause(struct view *view)
{
	snprintf(view->record.reason, sizeof(view->record.reason),
		 "its container is paused outside pgberth");
}

void look_tell_exposure(struct view *view)
{
	AUTO_CLAIMS claims = user_id_claims_read(false);
	int uid = view->record.uid;
	const struct user_id_claim *claim = user_id_claims_find(&claims, uid, uid);

	if (!claim)
		return;
	snprintf(view->record.reason, sizeof(view->record.reason),
		 "its user id %d is given to %s of the host, too (%s line %d), who can "
		 "become it; restart it, which gives it another",
		 uid, claim->whom, claim->file, claim->line);
	log_warn("server exposed name=%s uid=%d file=%s line=%d owner=%s",
		 view->record.storage_dir, uid, claim->file, claim->line,
		 LOG_WORD(claim->owner));
}
