/* The calls on an instance. */
#include "instance.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "conf.h"
#include "instance_parts.h"
#include "locks.h"
#include "log.h"
#include "pg.h"
#include "port_claim.h"
#include "ports.h"
#include "reconcile.h"
#include "scope.h"
#include "spares.h"
#include "store.h"

#define LOCK_WAIT_MS 30000
#define PORT_TRIES 5 /* of automatic allocation, when one turns out to be taken */
#define LOGIN_TIMEOUT_MS 15000

static const struct config *config;

void instance_init(const struct config *cfg)
{
	config = cfg;
}

/* Locks an existing instance; NULL with err. */
static struct lock *hold(const char *name, struct view *ret, struct error *err)
{
	struct lock *lock = lock_get(name, LOCK_WAIT_MS, err);

	if (lock && !index_get(name, ret)) {
		lock_put(lock);
		lock = NULL;
		fail(err, ERR_NOT_FOUND, "there is no instance %s", name);
	}
	return lock;
}

bool instance_show(struct view *view, enum state state, struct error *err)
{
	view->state = state;
	view->is_proven = state == RUNNING;
	return index_put(view) || fail(err, ERR_INTERNAL, "out of memory");
}

static void record_apply(struct record *record, const struct spec *spec)
{
	if (spec->given & GIVEN_PORT)
		record->port = spec->port;
	if (spec->given & GIVEN_MEMORY)
		record->memory_mb = spec->memory_mb;
	if (spec->given & GIVEN_CPUS)
		record->cpus = spec->cpus;
	if (spec->given & GIVEN_LABELS) {
		json_decref(record->labels);
		record->labels = json_incref(spec->labels);
	}
}

static bool port_refused(const struct port_claim *claim, struct error *err)
{
	char cause[200];

	snprintf(cause, sizeof(cause), "%.199s", err->message);
	return fail_at(err, ERR_PORT_IN_USE, "port", "port %d cannot be had: %s",
		       claim->port, cause);
}

static bool try_port(struct bringing *bringing, struct error *err)
{
	struct view *view = bringing->view;
	struct record *record = &view->record;

	if (!bringing->is_ready &&
	    !port_claim_get(&bringing->claim, record, bringing->had, err))
		return false;
	bringing->is_touched = true;
	bringing->work.start.record = record;
	if (!instance_show(view, STARTING, err) ||
	    (!bringing->is_ready && !store_save(record, err)) ||
	    !reconcile(&bringing->work, err))
		return false;
	memcpy(view->container_id, bringing->work.start.container_id,
	       sizeof(view->container_id));
	record->acknowledged = true;
	return store_save(record, err) && instance_show(view, RUNNING, err);
}

/*
 * The server runs, proven, at its port; record and index say so. On failure the claim
 * on the port is undone, the rest is the caller's to undo.
 */
static bool bring_up(struct bringing *bringing, struct error *err)
{
	struct record *record = &bringing->view->record;
	struct port_claim *claim = &bringing->claim;

	for (int i = 0; i < PORT_TRIES; i++) {
		if (try_port(bringing, err)) {
			port_claim_keep(claim, record->storage_dir);
			return true;
		}
		if (!bringing->is_touched)
			return false;
		port_claim_undo(claim, record->storage_dir);
		bringing->is_ready = false;
		if (err->code != ERR_PORT_IN_USE)
			return false;
		if (!claim->is_any)
			return port_refused(claim, err);
		record->port = 0; /* another one, then */
	}
	return false;
}

static void timestamp(char *text, size_t size)
{
	time_t now = time(NULL);
	struct tm utc;

	gmtime_r(&now, &utc);
	strftime(text, size, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

static bool record_new(struct record *ret, const struct spec *spec, struct error *err)
{
	*ret = (struct record){
		.wanted = WANTED_RUNNING,
		.version =
			spec->given & GIVEN_VERSION ? spec->version : config->version[0],
		.memory_mb = 512 < config->host_memory_mb ? 512 : config->host_memory_mb,
		.cpus = 1,
		.labels = json_object(),
	};
	memcpy(ret->storage_dir, spec->storage_dir, sizeof(ret->storage_dir));
	timestamp(ret->created_at, sizeof(ret->created_at));
	record_apply(ret, spec);
	return ret->labels || fail(err, ERR_INTERNAL, "out of memory");
}

bool instance_create_undo(struct view *view)
{
	struct work work = { .start.record = &view->record };
	struct error err;

	view->record.wanted = WANTED_STORED;
	view->record.acknowledged = false;
	instance_show(view, STOPPING, &err);
	if (!reconcile(&work, &err) || !store_discard(view->record.storage_dir, &err)) {
		log_error("left behind name=%s error=\"%s\"", view->record.storage_dir,
			  err.message);
		return false;
	}
	ports_release(view->record.port, view->record.storage_dir);
	index_drop(view->record.storage_dir);
	store_uid_release(view->record.uid);
	return true;
}

/* Directory, uid and, where a spare is at hand, the data (*ret_filled). */
static bool storage_take(struct record *record, bool *ret_filled, struct error *err)
{
	struct template template;
	struct spare spare;
	AUTO_CONF conf = { 0 };
	bool spared;

	if (!store_template(record->version, &template, err))
		return false;
	spared = store_spare_take(record->version, &template, &spare);
	if (!spared && !store_uid_take(&record->uid, err))
		return false;
	if (spared)
		record->uid = spare.uid;
	spares_poke();
	*ret_filled = spared;
	if (conf_make(&conf, config, record, err) &&
	    store_take(record, conf.files, spared ? &spare : NULL, err))
		return true;
	store_uid_release(record->uid);
	return false;
}

static bool create_new(struct view *view, const struct spec *spec, struct error *err)
{
	struct record *record = &view->record;
	struct bringing bringing = { .view = view, .is_ready = true };
	char verifier[VERIFIER_SIZE];
	bool filled;

	bringing.work.start.is_new = true;
	bringing.work.start.verifier = verifier;
	bringing.work.start.password = spec->admin_password;
	if (!record_new(record, spec, err) ||
	    !pg_verifier(spec->admin_password, verifier, err) ||
	    !port_claim_get(&bringing.claim, record, 0, err))
		return false;
	if (!storage_take(record, &filled, err)) {
		port_claim_undo(&bringing.claim, record->storage_dir);
		return false;
	}
	bringing.work.start.is_empty = !filled;
	if (bring_up(&bringing, err))
		return true;
	instance_create_undo(view);
	return false;
}

/* Back to what it was; a server that ran is brought up again as it was. */
static void bring_back_undo(struct view *view, struct view *before,
			    const struct error *why)
{
	struct work work = { .start.record = &before->record };
	bool ran = before->state == RUNNING;
	struct error err;

	before->container_id[0] = '\0';
	if (ran && reconcile(&work, &err))
		memcpy(before->container_id, work.start.container_id,
		       sizeof(before->container_id));
	else if (ran || why->code == ERR_SERVER)
		before->state = FAILED;
	if (before->state == FAILED)
		snprintf(before->record.reason, sizeof(before->record.reason), "%.199s",
			 why->message);
	if (!store_save(&before->record, &err))
		log_error("record not saved name=%s error=\"%s\"",
			  before->record.storage_dir, err.message);
	instance_show(before, before->state, &err);
	view->state = before->state;
}

bool instance_bring_back(struct bringing *bringing, const struct view *was,
			 struct error *err)
{
	struct view *view = bringing->view;
	struct record *record = &view->record;
	AUTO_VIEW before = view_copy(was);

	bringing->had = before.record.port;
	record->wanted = WANTED_RUNNING;
	record->outside_since_ms = 0;
	record->reason[0] = '\0';
	if (bring_up(bringing, err)) {
		if (before.record.port != record->port)
			ports_release(before.record.port, record->storage_dir);
		return true;
	}
	if (bringing->is_touched)
		bring_back_undo(view, &before, err);
	return false;
}

static const char *field_that_differs(const struct record *record,
				      const struct spec *spec)
{
	if ((spec->given & GIVEN_VERSION) && spec->version != record->version)
		return "version";
	if ((spec->given & GIVEN_PORT) && spec->port != record->port)
		return "port";
	if ((spec->given & GIVEN_MEMORY) && spec->memory_mb != record->memory_mb)
		return "memory_mb";
	if ((spec->given & GIVEN_CPUS) && spec->cpus != record->cpus)
		return "cpus";
	if ((spec->given & GIVEN_LABELS) && !json_equal(spec->labels, record->labels))
		return "labels";
	return NULL;
}

static bool exists_otherwise(const struct record *record, const char *field,
			     struct error *err)
{
	return fail_at(err, ERR_ALREADY_EXISTS, field, "%s exists with another %s",
		       record->storage_dir, field);
}

/* A server that runs: the same answer to the same request, else what differs. */
static bool create_same(struct view *view, const struct spec *spec, struct error *err)
{
	struct record *record = &view->record;
	const char *field = field_that_differs(record, spec);
	struct start start = { .record = record, .password = spec->admin_password };
	struct error why;

	if (field)
		return exists_otherwise(record, field, err);
	if (!postmaster_prove(&start, &why))
		return fail_at(err, ERR_ALREADY_EXISTS, "admin_password",
			       "%s runs, and this password does not log in: %s",
			       record->storage_dir, why.message);
	if (view->state == RUNNING)
		return true;
	record->wanted = WANTED_RUNNING;
	record->outside_since_ms = 0;
	record->reason[0] = '\0';
	return store_save(record, err) && instance_show(view, RUNNING, err);
}

static bool create_again(struct view *view, const struct spec *spec, struct error *err)
{
	struct bringing bringing = { .view = view };
	struct container container;
	char verifier[VERIFIER_SIZE];
	AUTO_VIEW was = view_copy(view);

	if (!engine_inspect(view->record.storage_dir, &container, err))
		return false;
	if (container.is_ours && container.is_running &&
	    container.port == view->record.port)
		return create_same(view, spec, err);
	if ((spec->given & GIVEN_VERSION) && spec->version != view->record.version)
		return exists_otherwise(&view->record, "version", err);
	if (!pg_verifier(spec->admin_password, verifier, err))
		return false;
	record_apply(&view->record, spec);
	bringing.work.start.verifier = verifier;
	bringing.work.start.password = spec->admin_password;
	return instance_bring_back(&bringing, &was, err);
}

/* Hands a view to the caller of this module. */
static bool give(struct view *ret, struct view *view)
{
	*ret = *view;
	view->record.labels = NULL;
	return true;
}

bool instance_create(const struct spec *spec, struct view *ret, struct error *err)
{
	AUTO_LOCK *lock = lock_get(spec->storage_dir, LOCK_WAIT_MS, err);
	AUTO_VIEW view = { 0 };
	bool ok;

	if (!lock)
		return false;
	ok = index_get(spec->storage_dir, &view) ? create_again(&view, spec, err)
						 : create_new(&view, spec, err);
	return ok && give(ret, &view);
}

/* Whether the server runs is for the engine to say. */
static bool runs_now(const struct view *view, bool *ret_runs, struct error *err)
{
	struct container container;

	if (!engine_inspect(view->record.storage_dir, &container, err))
		return false;
	*ret_runs = container.is_ours && container.is_running &&
		    container.port == view->record.port;
	return true;
}

bool instance_start(const char *name, const struct spec *spec, struct view *ret,
		    struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = hold(name, &view, err);
	struct bringing bringing = { .view = &view };
	AUTO_VIEW was = view_copy(&view);
	bool runs;

	if (!lock || !runs_now(&view, &runs, err))
		return false;
	if (runs && (spec->given & GIVEN_PORT) && spec->port != view.record.port)
		return exists_otherwise(&view.record, "port", err);
	if (runs && view.state == RUNNING)
		return give(ret, &view);
	record_apply(&view.record, spec);
	return instance_bring_back(&bringing, &was, err) && give(ret, &view);
}

bool instance_restart(const char *name, struct view *ret, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = hold(name, &view, err);
	struct bringing bringing = { .view = &view, .work.replace = true };
	AUTO_VIEW was = view_copy(&view);

	return lock && instance_bring_back(&bringing, &was, err) && give(ret, &view);
}

/* The record wants the server down, in one way or the other; makes it so or undoes. */
static bool bring_down(struct view *view, enum wanted wanted, struct error *err)
{
	struct record *record = &view->record;
	struct work work = { .start.record = record };
	AUTO_VIEW before = view_copy(view);
	struct error ignored;

	record->wanted = wanted;
	record->outside_since_ms = 0;
	record->reason[0] = '\0';
	if (wanted == WANTED_STORED)
		record->port = 0;
	if (store_save(record, err) && instance_show(view, STOPPING, err) &&
	    reconcile(&work, err)) {
		memcpy(view->container_id, work.start.container_id,
		       sizeof(view->container_id));
		if (wanted == WANTED_STORED)
			ports_release(before.record.port, record->storage_dir);
		return instance_show(view, wanted == WANTED_STORED ? STORED : STOPPED,
				     err);
	}
	store_save(&before.record, &ignored);
	instance_show(&before, before.state, &ignored);
	return false;
}

bool instance_stop(const char *name, struct view *ret, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = hold(name, &view, err);

	if (!lock)
		return false;
	if (view.state != STORED && !bring_down(&view, WANTED_STOPPED, err))
		return false;
	return give(ret, &view);
}

bool instance_delete(const char *name, bool purge, struct view *ret, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = hold(name, &view, err);

	if (!lock || !bring_down(&view, WANTED_STORED, err))
		return false;
	if (purge) {
		if (!store_trash(name, err))
			return false;
		index_drop(name);
	}
	return give(ret, &view);
}

/* The port of a server that does not run is only a matter of records and claims. */
static bool change_port_at_rest(struct view *view, int had, struct error *err)
{
	struct record *record = &view->record;
	struct port_claim claim;

	if (view->state == STORED)
		return fail_at(
			err, ERR_NOT_RUNNING, "port",
			"%s is stored and has no port; give one when it is started",
			record->storage_dir);
	if (!port_claim_get(&claim, record, had, err))
		return false;
	if (!store_save(record, err)) {
		port_claim_undo(&claim, record->storage_dir);
		return false;
	}
	port_claim_keep(&claim, record->storage_dir);
	ports_release(had, record->storage_dir);
	return instance_show(view, view->state, err);
}

/* Limits and labels: no restart. */
static bool change_in_place(struct view *view, const struct view *was, bool runs,
			    struct error *err)
{
	struct record *record = &view->record;
	struct work work = { .start.record = record };
	struct error ignored;
	bool limits = record->memory_mb != was->record.memory_mb ||
		      record->cpus != was->record.cpus;

	if (!store_save(record, err))
		return false;
	if (limits && runs && !reconcile(&work, err)) {
		store_save(&was->record, &ignored);
		return false;
	}
	return instance_show(view, view->state, err);
}

bool instance_change(const char *name, const struct spec *spec, struct view *ret,
		     bool *ret_restarted, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = hold(name, &view, err);
	struct bringing bringing = { .view = &view, .work.replace = true };
	AUTO_VIEW was = view_copy(&view);
	bool moves, runs, ok;

	if (!lock || !runs_now(&view, &runs, err))
		return false;
	record_apply(&view.record, spec);
	moves = view.record.port != was.record.port;
	if (moves && runs)
		ok = instance_bring_back(&bringing, &was, err);
	else if (moves)
		ok = change_port_at_rest(&view, was.record.port, err);
	else
		ok = change_in_place(&view, &was, runs, err);
	*ret_restarted = moves && runs;
	return ok && give(ret, &view);
}

bool instance_set_password(const char *name, const char *password, struct view *ret,
			   struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_LOCK *lock = hold(name, &view, err);
	struct start start = { .record = &view.record, .password = password };
	char verifier[VERIFIER_SIZE];
	bool runs;

	if (!lock || !runs_now(&view, &runs, err))
		return false;
	if (!runs)
		return fail(err, ERR_NOT_RUNNING, "%s does not run; start it first",
			    name);
	start.verifier = verifier;
	return pg_verifier(password, verifier, err) &&
	       postmaster_set_password(&start, err) && give(ret, &view);
}

bool instance_logs(const char *name, int tail, struct buf *log, struct error *err)
{
	AUTO_VIEW view = { 0 };
	AUTO_BUF own = { 0 };
	struct error ignored;
	int lines = 0;

	if (!index_get(name, &view))
		return fail(err, ERR_NOT_FOUND, "there is no instance %s", name);
	store_log_tail(&view.record, tail, &own, &ignored);
	for (size_t i = 0; i < own.length; i++)
		lines += own.data[i] == '\n';
	if (lines < tail && view.container_id[0])
		engine_logs(view.container_id, tail - lines, log, &ignored);
	return buf_append(log, buf_text(&own), own.length) ||
	       fail(err, ERR_INTERNAL, "out of memory");
}
