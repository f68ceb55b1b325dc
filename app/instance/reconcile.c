/* Reconciling one instance. */
#include "instance/reconcile.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/kill_point.h"
#include "base/log.h"
#include "model/field.h"
#include "store/disk.h"

/*
 * What was never acknowledged has nothing to lose and is killed: a server that is asked to
 * stop in its first moments may not hear it, and be waited for until stop_timeout.
 */
static bool container_remove(const struct record *record,
			     const struct container *container, struct error *err)
{
	if (record->acknowledged && container->is_running &&
	    !engine_stop(container->id, err))
		return false;
	kill_point("reconcile.stopped");
	if (!engine_remove(container->id, err))
		return false;
	kill_point("reconcile.removed");
	return true;
}

static bool limits_fit(const struct container *container, const struct record *record)
{
	const struct limits limits = field_limits(record);

	return container->memory_mb == limits.memory_mb &&
	       fabs(container->cpus - limits.cpus) < 1e-6;
}

/* A running container at the right port stays; its limits are brought in line. */
static bool reconcile_in_place(struct work *work, const struct container *container,
			       struct error *err)
{
	const struct record *record = work->start.record;

	memcpy(work->start.container_id, container->id, sizeof(container->id));
	if (!limits_fit(container, record) && !engine_update(container->id, record, err))
		return false;
	return bring_up_prove(&work->start, err);
}

static bool reconcile_running(struct work *work, const struct container *container,
			      struct error *err)
{
	bool fits = container->is_running &&
		    container->port == work->start.record->port && !work->replace;

	if (fits)
		return reconcile_in_place(work, container, err);
	if (!bring_up_check(&work->start, err))
		return false; /* what runs on it had better go on */
	if (container->exists && !container_remove(work->start.record, container, err))
		return false;
	return bring_up_start(&work->start, err);
}

static bool reconcile_stopped(struct work *work, const struct container *container,
			      struct error *err)
{
	memcpy(work->start.container_id, container->id, sizeof(container->id));
	if (container->is_paused || container->is_restarting || container->is_created)
		return engine_remove(container->id, err);
	return !container->is_running || engine_stop(container->id, err);
}

static bool reconcile_stored(struct work *work, const struct container *container,
			     struct error *err)
{
	work->start.container_id[0] = '\0';
	return (!container->exists ||
		container_remove(work->start.record, container, err)) &&
	       store_disk_down(work->start.record, err);
}

bool reconcile(struct work *work, struct error *err)
{
	static bool (*const steps[])(struct work *, const struct container *,
				     struct error *) = {
		[WANTED_RUNNING] = reconcile_running,
		[WANTED_STOPPED] = reconcile_stopped,
		[WANTED_STORED] = reconcile_stored,
	};
	const struct record *record = work->start.record;
	struct container container;

	if (!engine_inspect(record->storage_dir, &container, err))
		return false;
	if (container.exists && !container.is_ours && record->wanted == WANTED_RUNNING)
		return fail_at(
			err, ERR_FOREIGN_DATA, "storage_dir",
			"a container named pgberth-%s that is not of this pgberth stands "
			"in the way; it is left as it is",
			record->storage_dir);
	if (!container.is_ours)
		container = (struct container){ 0 };
	if (container.others &&
	    !engine_remove_others(record->storage_dir, container.id, err))
		return false;
	return steps[record->wanted](work, &container, err);
}
