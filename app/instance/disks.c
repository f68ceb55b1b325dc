/* Each disk is looked at outside the index's lock. */
#include "base/log.h"
#include "instance/index.h"
#include "instance/instance.h"
#include "instance/parts.h"

/* That of a server that is not to run is nobody's concern. */
static bool is_watched(const struct view *view)
{
	return view->record.wanted == WANTED_RUNNING && !view->is_foreign;
}

static bool name_add(const struct view *view, void *user)
{
	return (!is_watched(view) && view->full == HAS_ROOM) ||
	       names_add(user, view->record.storage_dir);
}

void instance_disk_look(struct view *view)
{
	enum fullness now =
		is_watched(view) ? store_disk_fullness(&view->record) : HAS_ROOM;

	if (now == view->full)
		return;
	view->full = now;
	index_set_full(view->record.storage_dir, now);
	log_warn("disk name=%s full=%s", view->record.storage_dir, fullness_names[now]);
}

void instance_disks_look(void (*room_again)(const char *name))
{
	AUTO_NAMES names = { 0 };

	index_walk("", name_add, &names);
	for (size_t i = 0; i < names.count; i++) {
		AUTO_VIEW view = { 0 };
		bool was_full;

		if (!index_get(names.list[i], &view))
			continue;
		was_full = view.full != HAS_ROOM;
		instance_disk_look(&view);
		if (was_full && view.full == HAS_ROOM)
			room_again(names.list[i]);
	}
}
