/* Strays belong to no instance: containers and directories without a record, processes
 * without a container. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/scope.h"
#include "engine/engine.h"
#include "engine/find.h"
#include "engine/processes.h"
#include "instance/instance.h"
#include "instance/parts.h"
#include "model/config.h"
#include "store/foreign.h"
#include "store/store.h"
#include "store/template.h"
#include "store/uid.h"

bool instance_show_foreign(const char *name, const char *why)
{
	struct view view = { .is_foreign = true, .state = FAILED };
	bool has_record = store_foreign_hold(name);
	struct error ignored;
	bool ok;

	if (!name_is_valid(name))
		return true;
	snprintf(view.record.storage_dir, sizeof(view.record.storage_dir), "%s", name);
	snprintf(view.record.reason, sizeof(view.record.reason),
		 has_record ? "its directory is left as it is: %.86s; pgberth adopt %s"
			    : "its directory is left as it is: %.86s; mend it and "
			      "restart pgberthd, or move %s away",
		 why, name);
	view.record.acknowledged = true;
	view.record.labels = json_object();
	ok = instance_show(&view, FAILED, &ignored);
	view_done(&view);
	return ok;
}

/* Removes a container with pgberth's labels whose directory is missing: a create was cut
 * off, or somebody removed the directory while pgberthd did not run. */
static bool container_check(const struct container *container)
{
	const char *name = container->storage_dir;
	struct error err;
	AUTO_LOCK *lock = lock_get(name, 0, &err);
	AUTO_VIEW view = { 0 };
	struct template template;

	if (!lock)
		return false;
	if (index_get(name, &view) || store_exists(name))
		return true;
	/* Without templates the root cannot be trusted: its file system may not be
	 * mounted. */
	if (!store_template(config()->version[0], &template, &err))
		return true;
	log_warn("stray container removed name=%s container=%.12s", name, container->id);
	return engine_remove(container->id, &err);
}

static bool containers_check(void)
{
	AUTO_FREE struct container *list = NULL;
	size_t count = 0;
	struct error err;
	bool ok = true;

	if (!engine_list(&list, &count, &err))
		return false;
	for (size_t i = 0; i < count; i++)
		if (name_is_valid(list[i].storage_dir))
			ok = container_check(&list[i]) && ok;
	return ok;
}

/* A directory that appeared behind pgberthd's back is shown, not adopted. */
static void directory_check(const char *name, void *user)
{
	struct error ignored;
	AUTO_LOCK *lock = name_is_valid(name) ? lock_get(name, 0, &ignored) : NULL;
	AUTO_VIEW view = { 0 };

	(void)user;
	if (lock && !index_get(name, &view) && store_exists(name)) {
		log_warn("unknown directory name=%s", name);
		instance_show_foreign(name, "it appeared after pgberthd had started");
	}
}

static bool foreign_add(const struct view *view, void *user)
{
	struct names *names = user;

	return !view->is_foreign || names_add(names, view->record.storage_dir);
}

/* Foreign directories that are gone are shown no longer. */
static void foreign_check(void)
{
	AUTO_NAMES names = { 0 };

	index_walk("", foreign_add, &names);
	for (size_t i = 0; i < names.count; i++)
		if (!store_exists(names.list[i])) {
			store_foreign_drop(names.list[i]);
			index_drop(names.list[i]);
		}
}

/*
 * An engine that was killed amid a start forgets the container, and the process in it
 * waits for ever: with an address of the tenants' network, which the engine gives to
 * the next server, too.
 */
static void process_check(const struct unstarted *process, void *user)
{
	bool is_known, *ok = user;
	struct error err;

	if (!store_uid_is_in_range(process->uid) && !store_uid_takers(process->uid))
		return;
	if (!engine_knows(process->container_id, &is_known, &err)) {
		*ok = false;
		return;
	}
	if (is_known)
		return;
	log_warn("stray process killed pid=%d "
		 "container=%.12s",
		 process->pid, process->container_id);
	engine_kill_unstarted(process);
}

static bool processes_check(void)
{
	bool ok = true;

	engine_each_unstarted(process_check, &ok);
	return ok;
}

bool instance_look_for_strays(void)
{
	struct error err;

	foreign_check();
	if (!store_names(directory_check, NULL, &err))
		return false;
	return containers_check() && processes_check();
}
