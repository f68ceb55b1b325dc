/* A start makes the container and waits for the server's socket; a failed start leaves no
 * container. */
#include "instance/bring_up.h"

#include <stdio.h>

#include "base/deadline.h"
#include "base/kill_point.h"
#include "base/log.h"
#include "base/scope.h"
#include "engine/find.h"
#include "engine/processes.h"
#include "instance/container_make.h"
#include "instance/diagnose.h"
#include "instance/hba.h"
#include "instance/prove.h"
#include "instance/repair.h"
#include "instance/uid_move.h"
#include "model/config.h"
#include "pg/conf.h"
#include "pg/pg.h"
#include "pg/role.h"
#include "pg/role_session.h"
#include "pg/role_shut.h"
#include "store/auto_conf.h"
#include "store/check.h"
#include "store/conf_files.h"
#include "store/disk.h"
#include "store/prepared.h"
#include "store/server_files.h"
#include "store/store.h"
#include "store/template.h"

#define POLL_MS 3
#define LOOK_EVERY_MS                                                                    \
	400 /* between looks at the container, while its server does not answer */
#define RESTARTS_MAX 3 /* restarts by the engine after which a server counts as down */
#define IDLE_TIMEOUT_MS 5000

static bool server_is_down(const struct attempt *attempt,
			   const struct container *container, struct error *err)
{
	char trouble[DIAGNOSIS_SIZE];

	diagnose_start(trouble, container, &attempt->view->record, attempt->is_safe);
	return fail(err, ERR_SERVER, "the server does not come up: %s", trouble);
}

/* False when the container has died, or dies again and again. */
static bool container_lives(const struct attempt *attempt, struct error *err)
{
	struct container container;

	if (!engine_inspect(attempt->view->record.storage_dir, &container, err))
		return false;
	if (!container.exists)
		return fail(err, ERR_SERVER,
			    "the container was removed while it started");
	if ((!container.is_running && !container.is_restarting) ||
	    container.restarts >= RESTARTS_MAX)
		return server_is_down(attempt, &container, err);
	return true;
}

/* True, with err, when nobody can log in to end what locks all logins out. */
static bool logins_are_locked(const struct record *record, struct error *err)
{
	char gid[PREPARED_GID_SIZE];

	if (!store_prepared_locks(record, gid))
		return false;
	fail(err, ERR_SERVER,
	     "no login gets past the locks of the prepared transaction '%s'; start the "
	     "server with safe, which sets that aside, as if it were rolled back",
	     gid);
	return true;
}

/*
 * Waits until the socket answers. postmaster.pid is a hint that a connection is worth
 * trying, so that a starting server is not bothered.
 */
static enum pg_outcome socket_wait(const struct attempt *attempt, struct error *err)
{
	const struct record *record = &attempt->view->record;
	long long deadline = deadline_in_ms(config()->start_timeout_s * 1000LL);
	long long next_look = deadline_in_ms(LOOK_EVERY_MS);

	while (!deadline_passed(deadline)) {
		bool look = deadline_passed(next_look);

		if (look || store_says_ready(record)) {
			enum pg_outcome outcome =
				role_answers(record, deadline_in_ms(10000), err);

			if (outcome == PG_REFUSED || pg_is_well(outcome))
				return outcome;
			if (outcome == PG_FAILED && logins_are_locked(record, err))
				return PG_FAILED;
		}
		if (look) {
			if (!container_lives(attempt, err))
				return PG_FAILED;
			next_look = deadline_in_ms(LOOK_EVERY_MS);
		}
		sleep_ms(POLL_MS);
	}
	fail(err, ERR_SERVER, "the server did not answer within %d s",
	     config()->start_timeout_s);
	return PG_FAILED;
}

static void container_drop(struct view *view)
{
	struct error ignored;

	if (view->container_id[0] && !engine_remove(view->container_id, &ignored))
		log_warn("container left behind container=%s error=%s",
			 view->container_id, LOG_TEXT(ignored.message));
	view->container_id[0] = '\0';
}

/* Makes and starts the container, and waits until the server answers on its socket. */
static enum pg_outcome server_up(struct attempt *attempt, const struct template *template,
				 struct error *err)
{
	enum pg_outcome outcome;

	if (!container_make(attempt, template, err))
		return PG_FAILED;
	kill_point("start.created");
	if (!engine_start(attempt->view->container_id, err))
		return PG_FAILED;
	kill_point("start.started");
	outcome = socket_wait(attempt, err);
	kill_point("start.answers");
	return outcome;
}

/* What single-user mode could do nothing about is settled once more afterwards. */
static bool role_settle_or_repair(struct attempt *attempt,
				  const struct template *template, struct error *err)
{
	struct error ignored;
	long long deadline = deadline_in_ms(PROOF_TIMEOUT_MS);
	enum pg_outcome outcome;

	if (!attempt->verifier)
		return true;
	if (verifier_settle(attempt, deadline, err))
		return true;
	if (err->code == ERR_INTERNAL)
		return false; /* the failure is pgberthd's own */
	if (err->code == ERR_LOCKED)
		return fail_because(err,
				    "the admin role cannot be changed; start the "
				    "server without a password to end what locks it");
	if (!engine_stop(attempt->view->container_id, err) ||
	    !engine_remove(attempt->view->container_id, err))
		return false;
	attempt->view->container_id[0] = '\0';
	if (!repair_role(attempt, template, err))
		return false;
	outcome = server_up(attempt, template, err);
	if (outcome != PG_REFUSED && !pg_is_well(outcome))
		return false;
	verifier_settle(attempt, deadline_in_ms(PROOF_TIMEOUT_MS), &ignored);
	return true;
}

bool bring_up_check(const struct attempt *attempt, struct error *err)
{
	const struct record *record = &attempt->view->record;
	struct template template;
	enum store_use use = attempt->verifier ? STORE_WRITTEN : STORE_READ;

	/* Files that two users have are no data for a server yet. */
	if (attempt->is_new || record->uid_was)
		return true;
	if (!store_template(record->version, &template, err) ||
	    !store_disk_up(record, false, err))
		return false;
	/* A disk that stopped itself must be mounted again before data can be read. */
	return store_disk_has_stopped(record) ||
	       store_check(record, &template, attempt->is_safe ? STORE_SAFE : use, err);
}

/* A container that was just killed may still have a process that ends. */
static bool idle_wait(const struct record *record, int uid, struct error *err)
{
	long long deadline = deadline_in_ms(IDLE_TIMEOUT_MS);
	int pid;

	while (uid && (pid = engine_process_of_uid(uid, "")) != 0) {
		if (pid < 0)
			return fail_errno(err, "cannot look for processes that may be "
					       "using the data");
		if (deadline_passed(deadline))
			return fail_at(err, ERR_FOREIGN_DATA, "storage_dir",
				       "process %d of user %d is not in its container "
				       "and may be using the data of %s",
				       pid, uid, record->storage_dir);
		sleep_ms(100);
	}
	return true;
}

/* Checks, before the server of an existing directory starts, that its data are usable and
 * unused. */
static bool conf_prepare(const struct attempt *attempt, struct error *err)
{
	const struct record *record = &attempt->view->record;
	AUTO_BUF text = { 0 };
	struct conf_file file;

	store_clear_stale(record);
	if (!conf_server(&text, record))
		return fail(err, ERR_INTERNAL, "out of memory");
	file = (struct conf_file){ CONF_SERVER_NAME, buf_text(&text) };
	if (!store_conf_equals(record, &file) && !store_conf_write(record, &file, err))
		return false;
	return hba_prepare(record, attempt->verifier != NULL, err);
}

/* The versions that a start brings with it; collations keep those that made them. */
static void versions_note(struct record *record, const struct template *template)
{
	snprintf(record->image_id, sizeof(record->image_id), "%s", template->image_id);
	if (!record->libc[0])
		snprintf(record->libc, sizeof(record->libc), "%s", template->libc);
	if (!record->icu[0])
		snprintf(record->icu, sizeof(record->icu), "%s", template->icu);
}

/* Makes the directory ready for its server. */
static bool directory_prepare(struct attempt *attempt, struct auto_conf_aside *aside,
			      struct error *err)
{
	const struct record *record = &attempt->view->record;

	if (!attempt->is_new &&
	    (!idle_wait(record, record->uid, err) ||
	     !idle_wait(record, record->uid_was, err) ||
	     !store_disk_up(record, true, err) || !uid_move(attempt, err) ||
	     !bring_up_check(attempt, err) || !conf_prepare(attempt, err)))
		return false;
	return !attempt->is_safe || store_auto_conf_aside(record, aside, err);
}

static bool server_up_and_proven(struct attempt *attempt, const struct template *template,
				 struct error *err)
{
	enum pg_outcome outcome = server_up(attempt, template, err);

	return (outcome == PG_REFUSED || pg_is_well(outcome)) &&
	       role_settle_or_repair(attempt, template, err) &&
	       prove_or_reset(attempt, err);
}

/* The settings that were set aside may not be the cause, or not alone. */
static void shut_tell(struct attempt *attempt)
{
	struct error why;

	if (role_shut_by(&attempt->view->record, &why) == SHUT_BY_ROLE)
		attempt_note(attempt, "%s", why.message);
}

static void aside_tell(struct attempt *attempt, const struct auto_conf_aside *aside)
{
	if (*aside->name)
		attempt_note(attempt,
			     "started without its settings, which were set aside as %s",
			     aside->name);
	if (*aside->kept)
		attempt_note(attempt, "kept what its data demand: %s", aside->kept);
}

static void prepared_tell(struct attempt *attempt, const struct prepared_aside *prepared)
{
	if (!prepared->count)
		return;
	log_warn("prepared transactions set aside name=%s gid=%s count=%d",
		 attempt->view->record.storage_dir, LOG_TEXT(prepared->gid),
		 prepared->count);
	attempt_note(attempt,
		     "the prepared transaction '%.40s' locked all logins out and was set "
		     "aside",
		     prepared->gid);
}

bool bring_up_start(struct attempt *attempt, struct error *err)
{
	struct record *record = &attempt->view->record;
	struct template template;
	struct auto_conf_aside aside = { 0 };
	struct prepared_aside prepared = { 0 };

	attempt->view->container_id[0] = '\0';
	if (!store_template(record->version, &template, err) ||
	    !directory_prepare(attempt, &aside, err))
		return false;
	versions_note(record, &template);
	if ((attempt->is_safe && !store_prepared_aside(record, &prepared, err)) ||
	    !server_up_and_proven(attempt, &template, err)) {
		diagnose_failure(&attempt->view->record, attempt->is_safe, err);
		container_drop(attempt->view);
		store_prepared_back(record, &prepared);
		store_auto_conf_back(record, &aside);
		return false;
	}
	kill_point("start.proven");
	aside_tell(attempt, &aside);
	prepared_tell(attempt, &prepared);
	if (attempt->is_safe)
		shut_tell(attempt);
	return true;
}
