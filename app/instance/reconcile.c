/* Each call takes the steps that are missing between record and engine, and no others. */
#include "instance/reconcile.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/deadline.h"
#include "base/kill_point.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "engine/find.h"
#include "instance/prove.h"
#include "model/field.h"
#include "pg/role_session.h"
#include "store/disk.h"
#include "store/server_files.h"

/*
 * True when a server has something to lose. A server that was never acknowledged has
 * nothing; nor has one that has just begun, which might not hear that it is asked to stop
 * and be waited for until stop_timeout. A paused one has: the engine lets it run again to
 * end.
 */
static bool ends_in_order(const struct record *record, const struct container *container)
{
	return (container->is_running || container->is_paused) && record->acknowledged &&
	       store_has_begun(record);
}

static bool container_remove(struct view *view, const struct container *container,
			     struct error *err)
{
	if (!container->exists)
		return true;
	if (ends_in_order(&view->record, container) && !engine_stop(container->id, err))
		return false;
	kill_point("reconcile.stopped");
	if (!engine_remove(container->id, err))
		return false;
	view->container_id[0] = '\0';
	kill_point("reconcile.removed");
	return true;
}

static bool limits_fit(const struct container *container, const struct record *record)
{
	const struct limits limits = field_limits(record);

	return container->memory_mb == limits.memory_mb &&
	       fabs(container->cpus - limits.cpus) < 1e-6;
}

static void proof_note(struct view *view)
{
	timestamp_now(view->proven_at);
	view->is_proven = true;
}

/* A running container at the right port stays; its limits are brought in line. */
static bool reconcile_in_place(struct attempt *attempt, const struct container *container,
			       struct error *err)
{
	struct view *view = attempt->view;

	memcpy(view->container_id, container->id, sizeof(container->id));
	if (!limits_fit(container, &view->record) &&
	    !engine_update(container->id, &view->record, err))
		return false;
	if (!prove(attempt, err))
		return false;
	view->restarts = container->restarts;
	proof_note(view);
	return true;
}

/* A paused one at the right port has lost nothing, not even its sessions. */
static bool reconcile_paused(struct attempt *attempt, const struct container *container,
			     struct error *err)
{
	if (!engine_unpause(container->id, err))
		return false;
	if (attempt->verifier &&
	    !verifier_settle(attempt, deadline_in_ms(PROOF_TIMEOUT_MS), err))
		return false;
	return reconcile_in_place(attempt, container, err);
}

static bool reconcile_running(struct attempt *attempt, const struct container *container,
			      struct error *err)
{
	struct view *view = attempt->view;

	if (view_is_served_by(view, container) && !attempt->is_forced)
		return reconcile_in_place(attempt, container, err);
	if (!bring_up_check(attempt, err))
		return false; /* the running server had better go on */
	if (container->is_paused && container->port == view->record.port &&
	    !attempt->is_forced && reconcile_paused(attempt, container, err))
		return true;
	if (!container_remove(view, container, err) || !bring_up_start(attempt, err))
		return false;
	view->restarts = 0;
	proof_note(view);
	return true;
}

/* True for a container that has ended for good, also when the engine starts itself. */
static bool is_at_rest(const struct container *container)
{
	return !container->is_running && !container->is_paused &&
	       !container->is_restarting && !container->is_created &&
	       !container->error[0];
}

/* The container that the server had stays; another one is what a refused start left. */
static bool reconcile_stopped(struct attempt *attempt, const struct container *container,
			      struct error *err)
{
	struct view *view = attempt->view;
	bool stays = ends_in_order(&view->record, container) &&
		     strcmp(container->id, view->container_id) == 0;

	if (!is_at_rest(container)) {
		if (!stays)
			return container_remove(view, container, err);
		if (!engine_stop(container->id, err))
			return false;
	}
	memcpy(view->container_id, container->id, sizeof(container->id));
	return true;
}

static bool reconcile_stored(struct attempt *attempt, const struct container *container,
			     struct error *err)
{
	return container_remove(attempt->view, container, err) &&
	       store_disk_down(&attempt->view->record, err);
}

bool reconcile_observe(const struct record *record, struct container *ret,
		       struct error *err)
{
	if (!engine_inspect(record->storage_dir, ret, err))
		return false;
	if (!ret->is_ours || !ret->others)
		return true;
	log_warn("several containers name=%s others=%d", record->storage_dir,
		 ret->others);
	return engine_remove_others(record->storage_dir, ret->id, err);
}

bool reconcile_observed(struct attempt *attempt, const struct container *container,
			struct error *err)
{
	static bool (*const steps[])(struct attempt *, const struct container *,
				     struct error *) = {
		[WANTED_RUNNING] = reconcile_running,
		[WANTED_STOPPED] = reconcile_stopped,
		[WANTED_STORED] = reconcile_stored,
	};
	const struct record *record = &attempt->view->record;
	static const struct container none;

	if (container->exists && !container->is_ours && record->wanted == WANTED_RUNNING)
		return fail_at(
			err, ERR_FOREIGN_DATA, "storage_dir",
			"a container named pgberth-%s that is not of this pgberth stands "
			"in the way; it is left as it is",
			record->storage_dir);
	if (!container->is_ours) {
		container = &none;
		attempt->view->container_id[0] = '\0';
	}
	return steps[record->wanted](attempt, container, err);
}

bool reconcile(struct attempt *attempt, struct error *err)
{
	struct container container;

	return reconcile_observe(&attempt->view->record, &container, err) &&
	       reconcile_observed(attempt, &container, err);
}
