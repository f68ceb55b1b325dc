/* Looking at an instance: does the engine have it as its record says? */
#include <stdio.h>
#include <string.h>

#include "engine.h"
#include "instance.h"
#include "instance_parts.h"
#include "locks.h"
#include "log.h"
#include "outside.h"
#include "store.h"

static bool look_failed(struct view *view, const struct error *err)
{
	struct error ignored;

	snprintf(view->record.reason, sizeof(view->record.reason), "%.199s",
		 err->message);
	log_warn("not as it should be name=%s error=\"%s\"", view->record.storage_dir,
		 err->message);
	instance_show(view, FAILED, &ignored);
	return false;
}

static bool look_bring_back(struct view *view)
{
	struct bringing bringing = { .view = view };
	AUTO_VIEW was = view_copy(view);
	struct error err;

	log_info("bringing back name=%s", view->record.storage_dir);
	return instance_bring_back(&bringing, &was, &err) || look_failed(&was, &err);
}

/* Runs where it should; after a start of pgberthd, or a crash, it is proven again. */
static bool look_prove(struct view *view, const struct container *container)
{
	struct start start = { .record = &view->record };
	struct error err;

	memcpy(view->container_id, container->id, sizeof(container->id));
	if (view->state == RUNNING && view->is_proven)
		return instance_show(view, RUNNING, &err);
	if (!postmaster_prove(&start, &err)) {
		if (err.code != ERR_STARTING)
			return look_failed(view, &err);
		instance_show(view, STARTING, &err);
		return false;
	}
	view->record.wanted = WANTED_RUNNING;
	view->record.outside_since_ms = 0;
	view->record.reason[0] = '\0';
	return store_save(&view->record, &err) && instance_show(view, RUNNING, &err);
}

static bool look_wanted_running(struct view *view, const struct container *container)
{
	struct error err;

	if (container->is_ours && container->is_running &&
	    container->port == view->record.port)
		return look_prove(view, container);
	if (container->is_paused) {
		snprintf(view->record.reason, sizeof(view->record.reason),
			 "its container is paused outside pgberth");
		return instance_show(view, STOPPED, &err);
	}
	if (container->is_restarting) {
		instance_show(view, STARTING, &err);
		return false;
	}
	if (view->state == RUNNING && outside_stopped(container))
		return outside_notice(view, &err);
	return look_bring_back(view);
}

static bool look_wanted_stopped(struct view *view, const struct container *container)
{
	struct error err;

	if (container->is_running && view->record.port &&
	    container->port == view->record.port)
		return look_prove(view, container); /* somebody started it by hand */
	memcpy(view->container_id, container->id, sizeof(container->id));
	if (container->is_running && !engine_stop(container->id, &err))
		return look_failed(view, &err);
	return instance_show(view, view->state == FAILED ? FAILED : STOPPED, &err);
}

static bool look_wanted_stored(struct view *view, const struct container *container)
{
	struct error err;

	view->container_id[0] = '\0';
	if (container->exists && !engine_remove(container->id, &err))
		return look_failed(view, &err);
	return instance_show(view, STORED, &err);
}

bool instance_look(const char *name)
{
	static bool (*const looks[])(struct view *, const struct container *) = {
		[WANTED_RUNNING] = look_wanted_running,
		[WANTED_STOPPED] = look_wanted_stopped,
		[WANTED_STORED] = look_wanted_stored,
	};
	struct error err;
	AUTO_LOCK *lock = lock_get(name, 0, &err);
	AUTO_VIEW view = { 0 };
	struct container container;

	if (!lock)
		return false;
	if (!index_get(name, &view))
		return true;
	if (!view.record.acknowledged)
		return instance_create_undo(&view);
	if (!engine_inspect(name, &container, &err))
		return false;
	if (!container.is_ours)
		container = (struct container){ 0 };
	store_log_prune(&view.record);
	return looks[view.record.wanted](&view, &container);
}
