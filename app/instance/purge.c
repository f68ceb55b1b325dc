/* A purge of many instances goes on with the others where one cannot be purged. */
#include <string.h>
#include <time.h>

#include "base/deadline.h"
#include "base/scope.h"
#include "engine/engine.h"
#include "instance/instance.h"
#include "instance/parts.h"

#define DAY_S 86400LL
#define PURGE_MS 240000 /* to begin in; nginx waits longer for the last one */

/* A search for the names of instances that have not been meant to run since before. */
struct finding {
	long long before;
	const char *prefix;
	struct names *names;
	bool ok;
};

static bool is_long_stopped(const struct view *view, long long before)
{
	return view->record.acknowledged && view->record.wanted != WANTED_RUNNING &&
	       view->record.stopped_at && view->record.stopped_at <= before;
}

static bool finding_add(const struct view *view, void *user)
{
	struct finding *finding = user;
	const char *name = view->record.storage_dir;

	if (view->is_foreign || !is_long_stopped(view, finding->before) ||
	    strncmp(name, finding->prefix, strlen(finding->prefix)) != 0)
		return true;
	finding->ok = names_add(finding->names, name);
	return finding->ok;
}

/* The rest is not tried once the engine is away, since all would fail alike. */
static bool rest_fails(const struct error *last, struct error *ret_why)
{
	return last->code == ERR_ENGINE && !engine_ping(ret_why);
}

static void purge_each(const struct names *names, long long before,
		       instance_purging *begins, instance_purged *each, void *user)
{
	long long deadline_ms = deadline_in_ms(PURGE_MS);
	bool is_over = false;
	struct error why, err;

	for (size_t i = 0; i < names->count; i++) {
		AUTO_VIEW gone = { 0 };
		const char *name = names->list[i];

		if (!is_over && deadline_passed(deadline_ms)) {
			is_over = true;
			fail(&why, ERR_BUSY, "the others took too long; purge again");
		}
		if (is_over) {
			each(name, &why, user);
			continue;
		}
		begins(name, user);
		if (instance_delete_if(name, is_long_stopped, before, true, &gone,
				       &err)) {
			each(name, NULL, user);
		} else if (err.code !=
			   ERR_NOT_FOUND) { /* else it runs again, or is gone */
			each(name, &err, user);
			is_over = rest_fails(&err, &why);
		}
	}
}

bool instance_purge_stopped(int days, const char *prefix, bool is_dry,
			    instance_purging *begins, instance_purged *each, void *user,
			    struct error *err)
{
	AUTO_NAMES names = { 0 };
	struct finding finding = { time(NULL) - days * DAY_S, prefix, &names, true };

	index_walk("", finding_add, &finding);
	if (!finding.ok)
		return fail(err, ERR_INTERNAL, "out of memory");
	if (!is_dry)
		purge_each(&names, finding.before, begins, each, user);
	for (size_t i = 0; is_dry && i < names.count; i++)
		each(names.list[i], NULL, user);
	return true;
}
