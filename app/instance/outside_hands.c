/* Outside hands. */
#include "instance/outside_hands.h"

#include <stdio.h>
#include <time.h>

#include "base/log.h"
#include "store/record_file.h"

static const struct config *config;

void outside_hands_init(const struct config *cfg)
{
	config = cfg;
}

/*
 * The restart policy (unless-stopped) brings back whatever ends by itself; what stays
 * down without an error of the engine's was stopped by hand.
 */
bool outside_hands_stopped(const struct container *container)
{
	if (config->heal)
		return false;
	return !container->is_ours || (!container->is_running && !container->is_paused &&
				       !container->is_restarting && !container->error[0]);
}

bool outside_hands_notice(struct view *view, struct error *err)
{
	struct record *record = &view->record;
	struct container container;
	struct timespec now;

	if (!view->is_watched || record->wanted != WANTED_RUNNING)
		return true;
	if (!engine_inspect(record->storage_dir, &container, err))
		return false;
	if (!outside_hands_stopped(&container))
		return true;
	clock_gettime(CLOCK_REALTIME, &now);
	record_want(record, WANTED_STOPPED);
	record->outside_since_ms = now.tv_sec * 1000LL + now.tv_nsec / 1000000;
	snprintf(record->reason, sizeof(record->reason),
		 container.is_ours
			 ? "its container was stopped outside pgberth (exit code %d)"
			 : "its container was removed outside pgberth",
		 container.exit_code);
	view->state = STOPPED;
	log_info("outside hands name=%s reason=%s", record->storage_dir,
		 LOG_TEXT(record->reason));
	if (!store_save(record, err))
		return false;
	index_put(view);
	return true;
}
