/* The delete call stops the server, removes its container, frees its port, and keeps or
 * trashes the storage. */
#include "base/kill_point.h"
#include "instance/instance.h"
#include "instance/parts.h"
#include "instance/ports.h"
#include "store/store.h"
#include "store/trash.h"
#include "store/uid.h"

/* The directory was removed by somebody, so only a container may be left. */
static bool delete_gone(struct view *view, struct error *err)
{
	struct attempt attempt = { .view = view };
	int port = view->record.port;

	record_want(&view->record, WANTED_STORED);
	if (!reconcile(&attempt, err))
		return false;
	view->record.port = 0;
	view->state = STORED;
	ports_release(port, view->record.storage_dir);
	store_uid_release_record(&view->record);
	index_drop(view->record.storage_dir);
	return true;
}

static bool delete_held(struct view *view, bool purge, long long expires_at,
			struct view *ret, struct error *err)
{
	const char *name = view->record.storage_dir;

	if (!store_exists(name))
		return delete_gone(view, err) && instance_give(ret, view);
	if (!instance_bring_down(view, WANTED_STORED, expires_at, err))
		return false;
	kill_point("delete.stored");
	if (purge) {
		if (!store_trash(&view->record, err))
			return false;
		index_drop(name);
	}
	return instance_give(ret, view);
}

bool instance_delete(const char *name, bool purge, struct view *ret, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = instance_hold(name, &view, err);

	return lock && delete_held(&view, purge, view.record.expires_at, ret, err);
}

bool instance_delete_if(const char *name, instance_is_due *is_due, long long now,
			bool purge, struct view *ret, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = instance_hold(name, &view, err);

	if (!lock)
		return false;
	if (!is_due(&view, now))
		return fail(err, ERR_NOT_FOUND, "%s need not be deleted any more", name);
	purge = purge || view.record.expire_purge;
	/* An expired instance loses its time once it is stored; one to be purged keeps it
	 * until the purge has succeeded. */
	return delete_held(&view, purge, purge ? view.record.expires_at : 0, ret, err);
}
