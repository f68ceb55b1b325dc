/* The engine's containers tell a stop or start by hand from a crash. */
#include "instance/by_hand.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "engine/find.h"
#include "model/config.h"
#include "pg/diagnosis.h"
#include "store/record_file.h"

#define STOPPED_WORDS "its container was stopped outside pgberth"

/* A paused one is shown as stopped. */
static bool is_paused(const struct view *view)
{
	return view->state == STOPPED && view->record.wanted == WANTED_RUNNING &&
	       view->container_id[0];
}

/* On its way down it is seen as starting, too. */
static bool is_watched(const struct view *view)
{
	return is_paused(view) ||
	       (view->is_proven && (view->state == RUNNING || view->state == STARTING));
}

/*
 * The restart policy (unless-stopped) brings back whatever ends by itself; what stays
 * down without an error of the engine's was stopped by hand.
 */
bool by_hand_is_stopped(const struct view *view, const struct container *container)
{
	if (config()->heal || !is_watched(view))
		return false;
	return !container->is_ours || (!container->is_running && !container->is_paused &&
				       !container->is_restarting && !container->error[0]);
}

bool by_hand_is_started(const struct view *view, const struct container *container)
{
	return view_is_served_by(view, container) && container->ended_at &&
	       !container->restarts && container->started_at >= view->record.stopped_at &&
	       strcmp(container->id, view->container_id) == 0;
}

static void reason_tell(struct record *record, const struct container *container)
{
	char exit_text[EXIT_TEXT_SIZE];

	diagnosis_exit(exit_text, container->exit_code);
	if (container->is_ours)
		snprintf(record->reason, sizeof(record->reason), STOPPED_WORDS " (%s)",
			 exit_text);
	else
		snprintf(record->reason, sizeof(record->reason),
			 "its container was removed outside pgberth");
}

/* A removal by force is seen as a stop first. */
bool by_hand_notice_removal(struct view *view, const struct container *container,
			    struct error *err)
{
	struct record *record = &view->record;

	if (!record->outside_since_ms || container->is_ours ||
	    strncmp(record->reason, STOPPED_WORDS, strlen(STOPPED_WORDS)) != 0)
		return true;
	reason_tell(record, container);
	return store_save(record, err);
}

bool by_hand_notice(struct view *view, struct error *err)
{
	struct record *record = &view->record;
	struct container container;
	struct timespec now;

	if (!is_watched(view) || record->wanted != WANTED_RUNNING)
		return true;
	if (!engine_inspect(record->storage_dir, &container, err))
		return false;
	if (!by_hand_is_stopped(view, &container))
		return true;
	clock_gettime(CLOCK_REALTIME, &now);
	record_want(record, WANTED_STOPPED);
	record->outside_since_ms = now.tv_sec * 1000LL + now.tv_nsec / 1000000;
	reason_tell(record, &container);
	view->state = STOPPED;
	view->is_proven = false;
	log_info("outside hands name=%s reason=%s", record->storage_dir,
		 LOG_TEXT(record->reason));
	if (!store_save(record, err))
		return false;
	index_put(view);
	return true;
}
