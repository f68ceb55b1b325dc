/* All records are in the index before the first call but health is served. */
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/audit.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/mention.h"
#include "base/scope.h"
#include "engine/find.h"
#include "instance/by_hand.h"
#include "instance/hba.h"
#include "instance/index.h"
#include "instance/instance.h"
#include "instance/owner.h"
#include "instance/parts.h"
#include "instance/ports.h"
#include "model/config.h"
#include "model/token_file.h"
#include "pg/pg.h"
#include "store/load.h"

#define LOOK_MS 200   /* limit for one server's port */
#define LOOKS_MS 3000 /* limit for all of them */

static atomic_bool is_loaded;

struct loading {
	struct tokens tokens;
	bool has_tokens; /* the file could be read */
	bool ok;
};

static void load_one(struct record *record, void *user)
{
	static const enum state states[] = {
		[WANTED_RUNNING] = STARTING,
		[WANTED_STOPPED] = STOPPED,
		[WANTED_STORED] = STORED,
	};
	struct view view = { .record = *record, .state = states[record->wanted] };
	struct loading *loading = user;

	if (loading->has_tokens)
		owner_settle(&view.record, &loading->tokens);
	if (!record->acknowledged)
		view.state = STOPPING;
	loading->ok = index_put(&view) && loading->ok;
}

static bool load_claim(struct view *view)
{
	struct record *record = &view->record;
	char holder[NAME_SIZE];

	if (!record->port || ports_claim(record->port, record->storage_dir, holder))
		return true;
	log_warn("port lost name=%s port=%d holder=%s", record->storage_dir, record->port,
		 holder);
	snprintf(record->reason, sizeof(record->reason),
		 "its port %d is held by " MENTION, record->port, holder);
	record->port = 0;
	audit_own("yield", record->storage_dir, "port");
	return index_put(view);
}

static bool name_add(const struct view *view, void *user)
{
	return names_add(user, view->record.storage_dir);
}

/* Two records may have one port: the one whose server should run keeps it, since the
 * other was about to lose it when pgberthd ended. */
static bool ports_load(void)
{
	AUTO_NAMES names = { 0 };
	bool ok = true;

	index_walk("", name_add, &names);
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < names.count; i++) {
			AUTO_VIEW view = { 0 };

			if (index_get(names.list[i], &view) &&
			    (view.record.wanted == WANTED_RUNNING) == (pass == 0))
				ok = load_claim(&view) && ok;
		}
	}
	return ok;
}

static void load_broken(const char *name, const char *why, void *user)
{
	struct loading *loading = user;

	loading->ok = instance_show_foreign(name, why) && loading->ok;
	log_error("directory not served name=%s error=%s", LOG_WORD(name), LOG_TEXT(why));
}

/* The server admits clients, as far as one look tells: it may still be starting, or be
 * shut to all but pgberth by a call that was cut off. */
static enum state seen_at_port(const struct view *view, long long deadline_ms)
{
	struct error ignored;

	return !deadline_passed(deadline_ms) &&
			       pg_is_well(hba_probe(&view->record, LOOK_MS, &ignored))
		       ? RUNNING
		       : STARTING;
}

/* Where the record wants it stopped, somebody started it by hand, or a stop was cut off. */
static bool is_wanted(const struct view *view)
{
	struct container container;
	struct error ignored;

	if (view->record.wanted != WANTED_STOPPED)
		return view->record.wanted == WANTED_RUNNING;
	return engine_inspect(view->record.storage_dir, &container, &ignored) &&
	       by_hand_is_started(view, &container);
}

/* A running server is shown as such at once; a look follows a moment later. */
static enum state state_seen(const struct view *view, const struct container *container,
			     long long deadline_ms)
{
	if (!view->record.acknowledged || !container->is_running)
		return view->state;
	if (!is_wanted(view))
		return STOPPING;
	return view_is_served_by(view, container) ? seen_at_port(view, deadline_ms)
						  : view->state;
}

static void load_container(const struct container *container, long long deadline_ms)
{
	AUTO_VIEW view = { 0 };

	if (!index_get(container->storage_dir, &view) || view.is_foreign)
		return;
	memcpy(view.container_id, container->id, sizeof(view.container_id));
	view.state = state_seen(&view, container, deadline_ms);
	index_put(&view);
}

static void load_containers(void)
{
	long long deadline_ms = deadline_in_ms(LOOKS_MS);
	AUTO_FREE struct container *list = NULL;
	struct error err;
	size_t count = 0;

	if (!engine_list(&list, &count, &err))
		return; /* the engine's return brings another look */
	for (size_t i = 0; i < count; i++)
		load_container(&list[i], deadline_ms);
}

static bool records_load(struct error *err)
{
	struct loading loading = { .ok = true };
	struct stat file;
	struct error ignored; /* calls are refused while the tokens cannot be read */
	bool loaded;

	loading.has_tokens =
		tokens_read(config()->tokens, &loading.tokens, &file, &ignored);
	loaded = store_load(load_one, load_broken, &loading, err);
	tokens_done(&loading.tokens);
	return loaded && (loading.ok || fail(err, ERR_INTERNAL, "out of memory"));
}

bool instance_load(struct error *err)
{
	bool ok;

	if (!records_load(err))
		return false;
	ok = ports_load();
	load_containers();
	atomic_store(&is_loaded, ok);
	return ok || fail(err, ERR_INTERNAL, "out of memory");
}

bool instance_is_loaded(void)
{
	return atomic_load(&is_loaded);
}
