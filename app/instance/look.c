/* A look observes an instance, decides what should be, and reconciles the two. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "engine/find.h"
#include "instance/by_hand.h"
#include "instance/diagnose.h"
#include "instance/hba.h"
#include "instance/instance.h"
#include "instance/look_tell.h"
#include "instance/parts.h"
#include "instance/reason.h"
#include "model/config.h"
#include "model/locks.h"
#include "store/disk.h"
#include "store/record_file.h"
#include "store/server_log.h"
#include "store/store.h"

#define CRASHES_MAX 5  /* restarts of a server that is never proven between them */
#define SILENCES_MAX 5 /* looks in a row: with the pauses between them, some 8 s */

/* Facts that the decision is made from. */
struct look {
	struct view *view;
	const struct container *container; /* the container as the engine has it now */
	const struct look_hints *hints;
	struct error *err;
};

static enum look_outcome look_failed(const struct look *look)
{
	struct view *view = look->view;
	struct error ignored;

	if (look->err->code == ERR_ENGINE)
		return LOOK_UNSETTLED; /* errors that say nothing about this server */
	snprintf(view->record.reason, sizeof(view->record.reason), "%s",
		 look->err->message);
	instance_show(view, FAILED, &ignored);
	return LOOK_FAILED;
}

static enum look_outcome look_show(const struct look *look, enum state state,
				   enum look_outcome outcome)
{
	struct error ignored;

	return instance_show(look->view, state, &ignored) ? outcome : LOOK_UNSETTLED;
}

/* A failure makes events of its own, which must not bring the next try forward. */
static bool is_early(const struct look *look)
{
	return look->hints->is_early && look->view->state == FAILED;
}

/* The engine's restarts since the server was last proven. */
static int crashes(const struct look *look)
{
	const struct view *view = look->view;

	return look->container->restarts - (view->is_proven ? view->restarts : 0);
}

/* The server may be silent because somebody stops it, which the next look will see. */
static bool is_heard(enum pg_outcome outcome, const struct error *said)
{
	return pg_is_well(outcome) ||
	       (outcome == PG_REFUSED && said->code != ERR_STARTING);
}

/* The server ended while it was being proven: the next look finds out how. */
static bool is_stale(const struct view *view)
{
	struct container container;
	struct error ignored;

	return !engine_inspect(view->record.storage_dir, &container, &ignored) ||
	       !container.is_ours || !container.is_running;
}

static enum look_outcome prove_failed(const struct look *look)
{
	struct view *view = look->view;

	if (view->state == RUNNING && is_stale(view))
		return LOOK_UNSETTLED;
	if (look->err->code != ERR_STARTING)
		return look_failed(look);
	if (view->state == RUNNING)
		look_tell_recovery(view, look->container, look->hints->exit_code);
	return look_show(look, STARTING, LOOK_SILENT);
}

/* The engine counts its own restarts, and begins again after one by hand. */
static bool has_crashed(const struct look *look)
{
	return look->view->is_proven && crashes(look) > 0;
}

static bool is_restarted_by_hand(const struct look *look)
{
	return *look->view->proven_at &&
	       strcmp(look->container->started, look->view->proven_at) > 0;
}

static void reason_tell(struct view *view, const struct look *look, const char *note,
			bool crashed, bool restarted)
{
	reason_prove(&view->record, note, false);
	look_tell_exposure(view);
	if (crashed)
		look_tell_crash(view, look->container, look->hints->exit_code);
	else if (restarted)
		look_tell_restart(view, look->container);
	if (look->hints->out_of_memory)
		look_tell_oom(view);
}

static enum look_outcome look_prove(const struct look *look)
{
	struct view *view = look->view;
	struct attempt attempt = { .view = view };
	bool crashed = has_crashed(look), restarted = is_restarted_by_hand(look);

	if (is_early(look))
		return LOOK_UNSETTLED;
	if (!reconcile_observed(&attempt, look->container, look->err))
		return prove_failed(look);
	reason_tell(view, look, attempt.note, crashed, restarted);
	if (!store_save(&view->record, look->err))
		return look_failed(look);
	return look_show(look, RUNNING,
			 reason_says_shut(view->record.reason) ? LOOK_SHUT
							       : LOOK_SETTLED);
}

/* The engine may tell how a server ended after the look that saw it run again. */
static bool exit_tell_late(const struct look *look)
{
	char *reason = look->view->record.reason;

	return look->hints->exit_code != EXIT_UNKNOWN &&
	       diagnosis_exit_learn(reason, sizeof(look->view->record.reason),
				    look->hints->exit_code);
}

static enum look_outcome look_heard(const struct look *look)
{
	struct view *view = look->view;
	struct record *record = &view->record;

	if (diagnosis_says_full(record->reason) &&
	    store_disk_fullness(record) == HAS_ROOM)
		record->reason[0] = '\0';
	else if (!exit_tell_late(look))
		return LOOK_SETTLED;
	return store_save(record, look->err) ? look_show(look, RUNNING, LOOK_SETTLED)
					     : LOOK_UNSETTLED;
}

/* The server runs at its port; after a start of pgberthd, or a crash, it is proven
 * again. */
static enum look_outcome look_hear(const struct look *look)
{
	struct view *view = look->view;
	struct error said;
	enum pg_outcome outcome;

	if (view->state != RUNNING || !view->is_proven || crashes(look) != 0 ||
	    is_restarted_by_hand(look))
		return look_prove(look);
	outcome = hba_probe(&view->record, HBA_PROBE_MS, &said);
	if (!is_heard(outcome, &said))
		return look->hints->silent + 1 < SILENCES_MAX ? LOOK_SILENT
							      : look_prove(look);
	if (look_tell_admission(view, outcome, said.message))
		look_show(look, RUNNING, LOOK_SETTLED);
	return reason_says_shut(view->record.reason) ? LOOK_SHUT : look_heard(look);
}

/* A server that is never proven and goes down again and again gains nothing by
 * restarts. */
static enum look_outcome look_crash_loop(const struct look *look)
{
	char trouble[DIAGNOSIS_SIZE];

	diagnose_start(trouble, look->container, &look->view->record, false);
	if (!engine_remove(look->container->id, look->err))
		return look_failed(look);
	look->view->container_id[0] = '\0';
	fail(look->err, ERR_SERVER, "the server goes down again and again: %s", trouble);
	return look_failed(look);
}

static enum look_outcome look_bring_back(const struct look *look)
{
	struct look after = *look;
	struct attempt attempt = { .view = look->view };
	AUTO_VIEW was = view_copy(look->view);

	if (is_early(look))
		return LOOK_UNSETTLED;
	log_info("bring-back begun name=%s", look->view->record.storage_dir);
	if (instance_bring_back(&attempt, &was, look->err))
		return LOOK_SETTLED;
	record_keep_uid(&was.record, &look->view->record);
	after.view = &was;
	return look_failed(&after);
}

/* Between two starts by the engine. */
static enum look_outcome look_between_starts(const struct look *look)
{
	if (crashes(look) >= CRASHES_MAX)
		return look_crash_loop(look);
	if (look->view->state == RUNNING)
		look_tell_crash(look->view, look->container, look->hints->exit_code);
	return look_show(look, STARTING, LOOK_UNSETTLED);
}

static enum look_outcome look_wanted_running(const struct look *look)
{
	const struct container *container = look->container;
	struct view *view = look->view;

	if (view_is_served_by(view, container))
		return look_hear(look);
	if (container->is_paused && !config()->heal) {
		look_tell_pause(view);
		return look_show(look, STOPPED, LOOK_SETTLED);
	}
	if (container->is_restarting)
		return look_between_starts(look);
	if (by_hand_is_stopped(view, container))
		return by_hand_notice(view, look->err) ? LOOK_SETTLED : LOOK_UNSETTLED;
	return look_bring_back(look);
}

static enum look_outcome look_put_down(const struct look *look, enum state state)
{
	struct attempt attempt = { .view = look->view };

	if (!reconcile_observed(&attempt, look->container, look->err))
		return look_failed(look);
	return look_show(look, state, LOOK_SETTLED);
}

static enum look_outcome look_wanted_stopped(const struct look *look)
{
	struct view *view = look->view;

	if (!by_hand_notice_removal(view, look->container, look->err))
		return LOOK_UNSETTLED;
	if (!by_hand_is_started(view, look->container))
		return look_put_down(look, view->state == FAILED ? FAILED : STOPPED);
	log_info("started by hand name=%s", view->record.storage_dir);
	record_want(&view->record, WANTED_RUNNING);
	if (!store_save(&view->record, look->err))
		return look_failed(look);
	look_show(look, STARTING, LOOK_UNSETTLED);
	return look_wanted_running(look);
}

static enum look_outcome look_wanted_stored(const struct look *look)
{
	return look_put_down(look, STORED);
}

/* The directory may come back; until then a server on it is left alone. */
static enum look_outcome look_gone(struct view *view)
{
	struct error ignored;

	if (view->state != FAILED)
		log_error("directory missing name=%s", view->record.storage_dir);
	snprintf(view->record.reason, sizeof(view->record.reason),
		 "its directory is gone; bring it back, or DELETE it");
	instance_show(view, FAILED, &ignored);
	return LOOK_SETTLED;
}

/* Decides what should be, and makes it so. */
static enum look_outcome look_decide(const struct look *look)
{
	static enum look_outcome (*const wanted[])(const struct look *) = {
		[WANTED_RUNNING] = look_wanted_running,
		[WANTED_STOPPED] = look_wanted_stopped,
		[WANTED_STORED] = look_wanted_stored,
	};
	struct view *view = look->view;

	/* The disk is mounted unless the instance is stored: also after a restart of the
	 * host, or when somebody unmounted it. */
	if (view->record.wanted != WANTED_STORED &&
	    !store_disk_up(&view->record, false, look->err))
		return is_early(look) ? LOOK_UNSETTLED : look_failed(look);
	store_log_prune(&view->record);
	if (look->hints->out_of_memory) {
		look_tell_oom(view);
		look_show(look, view->state, LOOK_UNSETTLED);
	}
	return wanted[view->record.wanted](look);
}

enum look_outcome instance_look(const char *name, const struct look_hints *hints,
				struct error *err)
{
	AUTO_LOCK *lock = lock_get(name, 0, err);
	AUTO_VIEW view = { 0 };
	struct container container;
	struct look look = { &view, &container, hints, err };

	if (!lock)
		return LOOK_UNSETTLED;
	if (!index_get(name, &view) || view.is_foreign)
		return LOOK_SETTLED;
	if (!view.record.labels)
		return LOOK_UNSETTLED; /* out of memory */
	if (!view.record.acknowledged)
		return instance_create_undo(&view) ? LOOK_SETTLED : LOOK_UNSETTLED;
	if (!store_exists(name))
		return look_gone(&view);
	if (!reconcile_observe(&view.record, &container, err))
		return LOOK_UNSETTLED;
	if (!container.is_ours)
		container = (struct container){ 0 };
	return look_decide(&look);
}
