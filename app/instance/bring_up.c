/* Starting and proving servers. */
#include "instance/bring_up.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "base/kill_point.h"
#include "base/log.h"
#include "base/scope.h"
#include "engine/processes.h"
#include "instance/hba.h"
#include "pg/conf.h"
#include "pg/pg.h"
#include "pg/role.h"
#include "store/check.h"
#include "store/conf_files.h"
#include "store/disk.h"
#include "store/fill.h"
#include "store/server_files.h"
#include "store/server_log.h"
#include "store/store.h"
#include "store/template.h"

#define POLL_MS 3
#define LOOK_EVERY_MS 400 /* at the container, while its server does not answer */
#define RESTARTS_MAX 3	  /* of a server that does not come up, by the engine */
#define REPAIR_TIMEOUT_MS 120000
#define IDLE_TIMEOUT_MS 5000

static const struct config *config;

void bring_up_init(const struct config *cfg)
{
	config = cfg;
	hba_init(cfg);
}

/* The filling of a new data directory, beside the making of its container. */
struct filling {
	pthread_t thread;
	const struct record *record;
	const struct template *template;
	bool ok;
	struct error err;
};

static void *filling_run(void *user)
{
	struct filling *filling = user;

	filling->ok = store_fill(filling->record, filling->template, &filling->err);
	return NULL;
}

static bool container_make(struct start *start, const struct template *template,
			   struct error *err)
{
	const struct record *record = start->record;
	AUTO_FREE char *pg_dir = store_path(record->storage_dir, "pg");
	AUTO_FREE char *conf_dir = store_path(record->storage_dir, "conf");
	const char *argv[CONF_ARGV_MAX];
	AUTO_BUF words = { 0 };
	struct container_spec spec = { record, template->image_id, pg_dir, conf_dir, argv,
				       NULL };

	if (!pg_dir || !conf_dir || !conf_argv(argv, &words, record))
		return fail(err, ERR_INTERNAL, "out of memory");
	return engine_create(&spec, start->container_id, err);
}

static bool container_make_and_fill(struct start *start, const struct template *template,
				    struct error *err)
{
	struct filling filling = { .record = start->record, .template = template };
	bool made;

	if (!start->is_empty)
		return container_make(start, template, err);
	if (pthread_create(&filling.thread, NULL, filling_run, &filling) != 0)
		return fail(err, ERR_INTERNAL, "cannot start a thread");
	made = container_make(start, template, err);
	pthread_join(filling.thread, NULL);
	if (filling.ok)
		start->is_empty = false;
	else if (made)
		*err = filling.err;
	return made && filling.ok;
}

void bring_up_trouble(char ret[DIAGNOSIS_SIZE], const struct container *container,
		      const struct record *record)
{
	AUTO_BUF said = { 0 };
	AUTO_BUF own = { 0 };
	struct error ignored;

	engine_logs(container->id, 20, &said, &ignored);
	store_log_tail(record, 20, &own, &ignored);
	diagnosis_tell(ret, container, record, store_disk_is_full(record),
		       buf_text(&said), buf_text(&own));
}

static bool server_is_down(const struct start *start, const struct container *container,
			   struct error *err)
{
	char trouble[DIAGNOSIS_SIZE];

	bring_up_trouble(trouble, container, start->record);
	return fail(err, ERR_SERVER, "the server does not come up: %s", trouble);
}

/* False when the container has died, or dies again and again. */
static bool container_lives(const struct start *start, struct error *err)
{
	struct container container;

	if (!engine_inspect(start->record->storage_dir, &container, err))
		return false;
	if (!container.exists)
		return fail(err, ERR_SERVER,
			    "the container was removed while it started");
	if ((!container.is_running && !container.is_restarting) ||
	    container.restarts >= RESTARTS_MAX)
		return server_is_down(start, &container, err);
	return true;
}

/*
 * Waits until the socket answers. postmaster.pid tells when it is worth an attempt, so
 * that a starting server is not bothered with connections; it is a hint only.
 */
static enum pg_outcome socket_wait(const struct start *start, struct error *err)
{
	long long deadline = deadline_in_ms(config->start_timeout_s * 1000LL);
	long long next_look = deadline_in_ms(LOOK_EVERY_MS);

	while (!deadline_passed(deadline)) {
		bool look = deadline_passed(next_look);

		if (look || store_says_ready(start->record)) {
			enum pg_outcome outcome =
				role_answers(start->record, deadline_in_ms(10000), err);

			if (outcome == PG_OK || outcome == PG_REFUSED)
				return outcome;
		}
		if (look) {
			if (!container_lives(start, err))
				return PG_FAILED;
			next_look = deadline_in_ms(LOOK_EVERY_MS);
		}
		sleep_ms(POLL_MS);
	}
	fail(err, ERR_SERVER, "the server did not answer within %d s",
	     config->start_timeout_s);
	return PG_FAILED;
}

/* While the server starts, only a call with a password waits: its client does, too. A
 * tenant that shut pgberth out is no reason to call an open server broken. */
static bool open_wait(const struct start *start, struct error *err)
{
	long long deadline = deadline_in_ms(PROOF_TIMEOUT_MS);
	enum pg_outcome outcome;

	while ((outcome = hba_open(start->record, err)) == PG_NOT_YET &&
	       start->password && !deadline_passed(deadline))
		sleep_ms(POLL_MS);
	return outcome == PG_OK || (outcome == PG_REFUSED && hba_is_open(start->record));
}

/* A reload takes a moment: until then the old hba answers. */
static enum pg_outcome login_prove(const struct start *start, struct error *err)
{
	long long deadline = deadline_in_ms(PROOF_TIMEOUT_MS);
	bool was_away = false;
	struct error last;

	for (;;) {
		enum pg_outcome outcome;

		outcome = pg_login(start->record->port, start->password,
				   start->record->storage_dir, deadline, err);
		if (outcome == PG_FAILED && was_away && deadline_passed(deadline)) {
			*err = last; /* rather than that the last try had no time left */
			return PG_NOT_YET;
		}
		if (outcome == PG_OK || outcome == PG_FAILED ||
		    deadline_passed(deadline) ||
		    (outcome == PG_REFUSED &&
		     !strstr(err->message, "no pg_hba.conf entry")))
			return outcome;
		was_away = outcome == PG_NOT_YET;
		last = *err;
		sleep_ms(POLL_MS);
	}
}

static bool scram_prove(const struct start *start, struct error *err)
{
	long long deadline = deadline_in_ms(PROOF_TIMEOUT_MS);

	while (pg_asks_for_scram(start->record->port, deadline_in_ms(HBA_HEAR_TIMEOUT_MS),
				 err) != PG_OK) {
		if (deadline_passed(deadline))
			return false;
		sleep_ms(POLL_MS);
	}
	return true;
}

bool bring_up_is_heard(const struct record *record)
{
	struct error ignored;

	enum pg_outcome outcome = pg_asks_for_scram(
		record->port, deadline_in_ms(HBA_HEAR_TIMEOUT_MS), &ignored);

	return outcome == PG_OK ||
	       (outcome == PG_REFUSED && ignored.code != ERR_STARTING);
}

bool bring_up_prove(const struct start *start, struct error *err)
{
	enum pg_outcome outcome;

	if (!open_wait(start, err))
		return false;
	if (start->password)
		return login_prove(start, err) == PG_OK;
	outcome = role_answers(start->record, deadline_in_ms(PROOF_TIMEOUT_MS), err);
	if (outcome != PG_OK && outcome != PG_REFUSED)
		return false;
	return scram_prove(start, err) ||
	       fail_because(err, "it answers on its socket, but not at its port; if "
				 "firewall rules were flushed, restart the engine");
}

/* Proves, and where settings of the role keep even the right password out, resets them:
 * only then, since they may be somebody's work. */
static bool prove_or_reset(const struct start *start, struct error *err)
{
	struct error first;

	if (bring_up_prove(start, err))
		return true;
	if (!start->password || err->code != ERR_SERVER)
		return false; /* the role's settings have no part in that */
	first = *err;
	if (role_reset(start->record, deadline_in_ms(PROOF_TIMEOUT_MS), err) != PG_OK) {
		*err = first;
		return false;
	}
	log_warn("settings of the admin role were reset name=%s because=%s",
		 start->record->storage_dir, LOG_TEXT(first.message));
	return bring_up_prove(start, err);
}

static bool repair_run(struct start *start, const struct container_spec *spec,
		       struct error *err)
{
	struct error ignored;
	int exit_code = -1;
	AUTO_BUF said = { 0 };
	char word[160];
	bool ok;

	if (!engine_create(spec, start->container_id, err))
		return false;
	ok = engine_start(start->container_id, err) &&
	     engine_wait(start->container_id, REPAIR_TIMEOUT_MS, &exit_code, err);
	if (ok && exit_code != 0) {
		engine_logs(start->container_id, 20, &said, &ignored);
		diagnosis_line(word, sizeof(word), buf_text(&said));
		ok = fail(err, ERR_SERVER,
			  "single-user mode cannot repair the admin role: %s", word);
	}
	if (!engine_remove(start->container_id, &ignored))
		log_warn("left behind container=%s error=%s", start->container_id,
			 LOG_TEXT(ignored.message));
	start->container_id[0] = '\0';
	return ok;
}

static bool repair_write(const struct record *record, const char *verifier,
			 struct error *err)
{
	AUTO_BUF sql = { 0 };
	AUTO_BUF passwd = { 0 };

	if (!role_repair_sql(&sql, verifier) || !conf_passwd(&passwd, record))
		return fail(err, ERR_INTERNAL, "out of memory");
	return store_conf_write(record,
				&(struct conf_file){ CONF_REPAIR_NAME, buf_text(&sql) },
				err) &&
	       store_conf_write(
		       record, &(struct conf_file){ CONF_PASSWD_NAME, buf_text(&passwd) },
		       err);
}

/* The role is put right by single-user mode, in a container without network. */
static bool role_repair(struct start *start, const struct template *template,
			struct error *err)
{
	const struct record *record = start->record;
	AUTO_FREE char *pg_dir = store_path(record->storage_dir, "pg");
	AUTO_FREE char *conf_dir = store_path(record->storage_dir, "conf");
	AUTO_FREE char *passwd =
		store_path(record->storage_dir, "conf/" CONF_PASSWD_NAME);
	const char *argv[CONF_ARGV_MAX];
	AUTO_BUF words = { 0 };
	struct container_spec spec = { record, template->image_id, pg_dir, conf_dir, argv,
				       passwd };
	bool ok;

	if (!pg_dir || !conf_dir || !passwd || !conf_repair_argv(argv, &words, record))
		return fail(err, ERR_INTERNAL, "out of memory");
	log_info("repair by single-user mode name=%s", record->storage_dir);
	ok = repair_write(record, start->verifier, err) && repair_run(start, &spec, err);
	store_conf_remove(record, CONF_REPAIR_NAME);
	store_conf_remove(record, CONF_PASSWD_NAME);
	return ok;
}

static void container_drop(struct start *start)
{
	struct error ignored;

	if (start->container_id[0] && !engine_remove(start->container_id, &ignored))
		log_warn("left behind container=%s error=%s", start->container_id,
			 LOG_TEXT(ignored.message));
	start->container_id[0] = '\0';
}

/* From nothing to a server that answers on its socket. */
static enum pg_outcome server_up(struct start *start, const struct template *template,
				 struct error *err)
{
	enum pg_outcome outcome;

	if (!container_make_and_fill(start, template, err))
		return PG_FAILED;
	kill_point("start.created");
	if (!engine_start(start->container_id, err))
		return PG_FAILED;
	kill_point("start.started");
	outcome = socket_wait(start, err);
	kill_point("start.answers");
	return outcome;
}

static bool role_settle_or_repair(struct start *start, const struct template *template,
				  struct error *err)
{
	long long deadline = deadline_in_ms(PROOF_TIMEOUT_MS);
	enum pg_outcome outcome;

	if (!start->verifier)
		return true;
	outcome = role_settle(start->record, start->verifier, deadline, err);
	if (outcome == PG_OK)
		return true;
	if (err->code == ERR_INTERNAL)
		return false; /* it is pgberthd that is ill */
	if (!engine_stop(start->container_id, err) ||
	    !engine_remove(start->container_id, err))
		return false;
	start->container_id[0] = '\0';
	if (!role_repair(start, template, err))
		return false;
	outcome = server_up(start, template, err);
	return outcome == PG_OK || outcome == PG_REFUSED;
}

bool bring_up_check(const struct start *start, struct error *err)
{
	struct template template;
	enum store_use use = start->verifier ? STORE_WRITTEN : STORE_READ;

	if (start->is_new)
		return true;
	if (!store_template(start->record->version, &template, err) ||
	    !store_disk_up(start->record, false, err))
		return false;
	/* On a disk that stopped nothing can be read before it is mounted anew. */
	return store_disk_has_stopped(start->record) ||
	       store_check(start->record, &template, start->is_safe ? STORE_SAFE : use,
			   err);
}

/* A container that was killed a moment ago may still have a process that ends. */
static bool idle_wait(const struct record *record, struct error *err)
{
	long long deadline = deadline_in_ms(IDLE_TIMEOUT_MS);
	int pid;

	while ((pid = engine_process_of_uid(record->uid, "")) != 0) {
		if (pid < 0)
			return fail_errno(err, "cannot look for processes that may be "
					       "using the data");
		if (deadline_passed(deadline))
			return fail_at(err, ERR_FOREIGN_DATA, "storage_dir",
				       "process %d of user %d is not in its container "
				       "and may be using the data of %s",
				       pid, record->uid, record->storage_dir);
		sleep_ms(100);
	}
	return true;
}

/* What must be on disk, and what must not, before the server of an existing directory starts. */
static bool conf_prepare(const struct start *start, struct error *err)
{
	AUTO_BUF text = { 0 };
	struct conf_file file;

	store_clear_stale(start->record);
	if (!conf_server(&text, start->record))
		return fail(err, ERR_INTERNAL, "out of memory");
	file = (struct conf_file){ CONF_SERVER_NAME, buf_text(&text) };
	if (!store_conf_equals(start->record, &file) &&
	    !store_conf_write(start->record, &file, err))
		return false;
	return hba_prepare(start->record, start->verifier != NULL, err);
}

bool bring_up_start(struct start *start, struct error *err)
{
	struct record *record = start->record;
	struct template template;
	char aside[ASIDE_SIZE] = "";
	enum pg_outcome outcome;

	start->container_id[0] = '\0';
	if (!store_template(record->version, &template, err))
		return false;
	if (!start->is_new &&
	    (!idle_wait(record, err) || !store_disk_up(record, true, err) ||
	     !bring_up_check(start, err) || !conf_prepare(start, err)))
		return false;
	if (start->is_safe && !store_auto_conf_aside(record, aside, err))
		return false;
	snprintf(record->image_id, sizeof(record->image_id), "%s", template.image_id);
	if (!record->libc[0])
		snprintf(record->libc, sizeof(record->libc), "%s", template.libc);
	if (!record->icu[0])
		snprintf(record->icu, sizeof(record->icu), "%s", template.icu);
	outcome = server_up(start, &template, err);
	if ((outcome != PG_OK && outcome != PG_REFUSED) ||
	    !role_settle_or_repair(start, &template, err) ||
	    !prove_or_reset(start, err)) {
		container_drop(start);
		store_auto_conf_back(record, aside);
		return false;
	}
	kill_point("start.proven");
	if (*aside)
		snprintf(start->note, sizeof(start->note),
			 "started without its settings, which were set aside as %s",
			 aside);
	return true;
}

/* One that cannot be proven is undone, so that the old one holds. */
bool bring_up_set_password(const struct start *start, struct error *err)
{
	long long deadline = deadline_in_ms(PROOF_TIMEOUT_MS);
	char old[VERIFIER_SIZE];
	struct error ignored;

	if (role_verifier(start->record, old, deadline, err) != PG_OK ||
	    role_settle(start->record, start->verifier, deadline, err) != PG_OK)
		return false;
	kill_point("password.set");
	if (prove_or_reset(start, err)) {
		kill_point("password.proven");
		return true;
	}
	if (*old)
		role_settle(start->record, old, deadline_in_ms(PROOF_TIMEOUT_MS),
			    &ignored);
	return false;
}
