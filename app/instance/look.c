/* Looking at an instance: does the engine have it as its record says? */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/deadline.h"
#include "base/log.h"
#include "base/scope.h"
#include "engine/engine.h"
#include "instance/instance.h"
#include "instance/outside_hands.h"
#include "instance/parts.h"
#include "model/locks.h"
#include "store/disk.h"
#include "store/record_file.h"
#include "store/server_log.h"
#include "store/store.h"

#define CRASHES_MAX 5 /* of a server that is never proven between them */
#define UNHEARD_MAX 5 /* with the pauses between looks, some 8 s */
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS 60000
/* Tries at once of what failed before; reconciler.c has twice the threads. */
#define AGAIN_MAX 8

static bool look_failed(struct view *view, const struct error *err)
{
	int pause_ms = RETRY_MAX_MS;
	struct error ignored;

	if (err->code == ERR_ENGINE)
		return false; /* that says nothing about this server */
	if (view->failures < 6)
		pause_ms = RETRY_FIRST_MS << view->failures;
	view->failures++;
	view->retry_at_ms = deadline_in_ms(pause_ms);
	snprintf(view->record.reason, sizeof(view->record.reason), "%.199s",
		 err->message);
	log_warn("not as it should be name=%s again_in_ms=%d error=%s",
		 view->record.storage_dir, pause_ms, LOG_TEXT(err->message));
	instance_show(view, FAILED, &ignored);
	return false;
}

/* Each failure makes events of its own, which must not hasten the next try. */
static bool look_is_early(const struct view *view)
{
	return view->state == FAILED && view->failures &&
	       !deadline_passed(view->retry_at_ms);
}

/* A server that hangs holds a thread for long, and its owner can see to that: those that
 * were not well before must leave threads to the others. */
static bool look_in_turn(struct view *view, const struct container *container,
			 bool (*look)(struct view *, const struct container *))
{
	static atomic_int again;
	bool ok = false;

	if (!view->failures && !view->unheard)
		return look(view, container);
	if (atomic_fetch_add(&again, 1) < AGAIN_MAX)
		ok = look(view, container);
	atomic_fetch_sub(&again, 1);
	return ok;
}

static bool bring_back(struct view *view, const struct container *container)
{
	struct bringing bringing = { .view = view };
	AUTO_VIEW was = view_copy(view);
	struct error err;

	(void)container;
	log_info("bringing back name=%s", view->record.storage_dir);
	return instance_bring_back(&bringing, &was, &err) || look_failed(&was, &err);
}

static void now_text(char *ret, size_t size)
{
	time_t now = time(NULL);
	struct tm utc;

	gmtime_r(&now, &utc);
	strftime(ret, size, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* It ended by itself and the engine started it again: its owner wants to know why. */
static void look_tell_crash(struct view *view, const struct container *container)
{
	char trouble[DIAGNOSIS_SIZE], when[32];

	bring_up_trouble(trouble, container, &view->record);
	now_text(when, sizeof(when));
	snprintf(view->record.reason, sizeof(view->record.reason),
		 "it went down by itself and was restarted (%s): %.100s", when, trouble);
	log_warn("server went down name=%s restarts=%d reason=%s",
		 view->record.storage_dir, container->restarts, LOG_TEXT(trouble));
}

/* Never proven, and down again and again: the engine's restarts are of no use. */
static bool look_crash_loop(struct view *view, const struct container *container)
{
	char trouble[DIAGNOSIS_SIZE];
	struct error err;

	bring_up_trouble(trouble, container, &view->record);
	if (!engine_remove(container->id, &err))
		return look_failed(view, &err);
	view->container_id[0] = '\0';
	fail(&err, ERR_SERVER, "it goes down again and again: %s", trouble);
	return look_failed(view, &err);
}

/* It says nothing also while somebody stops it, which the next look will see. */
static bool look_hear(struct view *view)
{
	struct error err;

	view->unheard = bring_up_is_heard(&view->record) ? 0 : view->unheard + 1;
	return instance_show(view, RUNNING, &err) && view->unheard == 0;
}

/* It ended while it was being proven: how, is for the next look to find out. */
static bool look_is_stale(const struct view *view)
{
	struct container container;
	struct error ignored;

	return !engine_inspect(view->record.storage_dir, &container, &ignored) ||
	       !container.is_ours || !container.is_running;
}

/*
 * It ran, and now only says that it recovers: PostgreSQL restarts its processes without
 * end where they find a full disk, say, and its container does not end by that.
 */
static void look_tell_recovery(struct view *view, const struct container *container)
{
	char trouble[DIAGNOSIS_SIZE];

	bring_up_trouble(trouble, container, &view->record);
	snprintf(view->record.reason, sizeof(view->record.reason),
		 "it went down by itself and is recovering: %.150s", trouble);
	log_warn("server recovers name=%s reason=%s", view->record.storage_dir,
		 LOG_TEXT(trouble));
}

static bool has_crashed(const struct view *view, const struct container *container)
{
	return view->is_known && container->restarts != view->restarts;
}

static bool prove(struct view *view, const struct container *container)
{
	struct start start = { .record = &view->record };
	bool crashed = has_crashed(view, container);
	struct error err;

	if (!bring_up_prove(&start, &err)) {
		if (view->state == RUNNING && look_is_stale(view))
			return false;
		if (err.code != ERR_STARTING)
			return look_failed(view, &err);
		if (view->state == RUNNING)
			look_tell_recovery(view, container);
		view->unheard++;
		instance_show(view, STARTING, &err);
		return false;
	}
	if (view->record.wanted != WANTED_RUNNING)
		log_info("found running name=%s", view->record.storage_dir);
	record_want(&view->record, WANTED_RUNNING);
	view->record.outside_since_ms = 0;
	view->record.reason[0] = '\0';
	if (crashed)
		look_tell_crash(view, container);
	view->restarts = container->restarts;
	view->is_known = true;
	view->unheard = 0;
	return store_save(&view->record, &err) && instance_show(view, RUNNING, &err);
}

/* Runs where it should; after a start of pgberthd, or a crash, it is proven again. */
static bool look_prove(struct view *view, const struct container *container)
{
	memcpy(view->container_id, container->id, sizeof(container->id));
	if (view->state == RUNNING && view->is_proven && !has_crashed(view, container) &&
	    (look_hear(view) || view->unheard < UNHEARD_MAX))
		return view->unheard == 0;
	return !look_is_early(view) && look_in_turn(view, container, prove);
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
		if (container->restarts - view->restarts >= CRASHES_MAX)
			return look_crash_loop(view, container);
		instance_show(view, STARTING, &err);
		return false;
	}
	if (view->is_watched && outside_hands_stopped(container))
		return outside_hands_notice(view, &err);
	return !look_is_early(view) && look_in_turn(view, container, bring_back);
}

/*
 * Left by a start that was cut off or refused: the engine may still be at it, or would
 * start it when it restarts itself. Not stopped, since a server that is about to begin
 * can miss the signal.
 */
static bool look_remove_left(struct view *view, struct error *err)
{
	log_info("removing what a start left name=%s", view->record.storage_dir);
	if (!engine_remove(view->container_id, err))
		return false;
	view->container_id[0] = '\0';
	return true;
}

static bool look_wanted_stopped(struct view *view, const struct container *container)
{
	bool is_left = container->is_created || (container->exists && view->is_left);
	bool ok;
	struct error err;

	if (container->is_running && view->record.port &&
	    container->port == view->record.port && !is_left)
		return look_prove(view, container); /* somebody started it by hand */
	memcpy(view->container_id, container->id, sizeof(container->id));
	ok = is_left ? look_remove_left(view, &err)
		     : !container->is_running || engine_stop(container->id, &err);
	if (!ok)
		return look_failed(view, &err);
	view->is_left = false;
	return instance_show(view, view->state == FAILED ? FAILED : STOPPED, &err);
}

static bool look_wanted_stored(struct view *view, const struct container *container)
{
	struct error err;

	view->container_id[0] = '\0';
	if (container->exists && !engine_remove(container->id, &err))
		return look_failed(view, &err);
	if (!store_disk_down(&view->record, &err))
		return look_failed(view, &err);
	return instance_show(view, STORED, &err);
}

/* The directory may come back; until then the server on it, if any, is left alone. */
static bool look_gone(struct view *view)
{
	struct error err;

	if (view->state != FAILED)
		log_error("directory gone name=%s", view->record.storage_dir);
	snprintf(view->record.reason, sizeof(view->record.reason),
		 "its directory is gone; bring it back, or DELETE it");
	instance_show(view, FAILED, &err);
	return true;
}

static void look_tell_oom(struct view *view)
{
	char when[32];
	struct error err;

	now_text(when, sizeof(when));
	snprintf(view->record.reason, sizeof(view->record.reason),
		 "out of memory (%s): a process of it was killed; its limit is %d MB, "
		 "raise memory_mb",
		 when, view->record.memory_mb);
	log_warn("out of memory name=%s", view->record.storage_dir);
	instance_show(view, view->state, &err);
}

/* Its disk is there unless it is stored: also after a restart of the host, or where somebody
 * unmounted it. */
static bool look_disk(struct view *view)
{
	struct error err;

	if (view->record.wanted == WANTED_STORED ||
	    store_disk_up(&view->record, false, &err))
		return true;
	return !look_is_early(view) && look_failed(view, &err);
}

bool instance_look(const char *name, bool out_of_memory)
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
	if (!index_get(name, &view) || view.is_foreign)
		return true;
	if (!view.record.labels)
		return false; /* out of memory */
	if (!view.record.acknowledged)
		return instance_create_undo(&view);
	if (!store_exists(name))
		return look_gone(&view);
	if (!engine_inspect(name, &container, &err))
		return false;
	if (!container.is_ours)
		container = (struct container){ 0 };
	if (container.others) {
		log_warn("several containers name=%s others=%d", name, container.others);
		if (!engine_remove_others(name, container.id, &err))
			return false;
	}
	if (!look_disk(&view))
		return false;
	store_log_prune(&view.record);
	if (out_of_memory)
		look_tell_oom(&view);
	return looks[view.record.wanted](&view, &container);
}
