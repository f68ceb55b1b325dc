/* The admin role is changed by SQL over the server's socket. */
#include "pg/role.h"

#include <stdio.h>
#include <string.h>

#include "base/deadline.h"
#include "base/scope.h"
#include "model/config.h"
#include "pg/blocker.h"
#include "pg/pg.h"
#include "store/server_files.h"

/* Quoting is not needed: admin_user (config.c) and verifiers (base64, '$', ':') have no
 * quotes. */
#define ATTRIBUTES                                                                       \
	"LOGIN SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS INHERIT "             \
	"CONNECTION LIMIT -1 VALID UNTIL 'infinity' PASSWORD '%s'"

#define POLL_MS 5
#define LOOK_TIMEOUT_MS 5000

/* Opens a superuser's session: as the admin or the bootstrap superuser, in `postgres` or,
 * if the tenant dropped that, in `template1`. */
static enum pg_outcome role_session(struct pg_session **ret, const struct record *record,
				    long long deadline_ms, struct error *err)
{
	const char *const doors[][2] = {
		{ config()->admin_user, "postgres" },
		{ "postgres", "postgres" },
		{ config()->admin_user, "template1" },
		{ "postgres", "template1" },
	};
	AUTO_CLOSE int run = store_open_run(record, err);
	enum pg_outcome outcome = PG_FAILED;

	if (run < 0)
		return PG_FAILED;
	for (size_t i = 0; i < COUNT_OF(doors); i++) {
		struct pg_door door = { run,	     record->uid, record->version,
					doors[i][0], doors[i][1], false };

		outcome = pg_open(ret, &door, deadline_ms, err);
		if (outcome == PG_OK || outcome == PG_NOT_YET)
			return outcome;
	}
	return outcome;
}

enum pg_outcome role_answers(const struct record *record, long long deadline_ms,
			     struct error *err)
{
	struct pg_session *session;
	enum pg_outcome outcome = role_session(&session, record, deadline_ms, err);
	char name[NAME_SIZE];

	if (outcome != PG_OK)
		return outcome;
	outcome = pg_run(session, "SHOW cluster_name", name, sizeof(name), err);
	pg_close(session);
	if (outcome == PG_OK && strcmp(name, record->storage_dir) != 0) {
		fail(err, ERR_SERVER, "another server answers on the socket");
		return PG_FAILED;
	}
	return outcome;
}

enum pg_outcome role_admits(const struct record *record, long long deadline_ms,
			    struct error *err)
{
	AUTO_CLOSE int run = store_open_run(record, err);
	struct pg_door door = {
		run,	    record->uid,     record->version, config()->admin_user,
		"postgres", .is_plain = true
	};
	struct pg_session *session;
	enum pg_outcome outcome;

	if (run < 0)
		return PG_FAILED;
	outcome = pg_open(&session, &door, deadline_ms, err);
	if (outcome == PG_OK)
		pg_close(session);
	return outcome;
}

/* Runs a statement made by printf; its first value goes to value (may be NULL). */
static enum pg_outcome run_f(struct pg_session *session, char *value, size_t size,
			     struct error *err, const char *fmt, const char *one,
			     const char *two)
{
	char sql[1400];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(sql, sizeof(sql), fmt, one, two);
#pragma GCC diagnostic pop
	return pg_run(session, sql, value, size, err);
}

/* The server did not answer a commit: looks whether the role has the verifier. */
static enum pg_outcome role_look(const struct record *record, const char *verifier,
				 const struct error *why, struct error *err)
{
	struct pg_session *session;
	enum pg_outcome outcome =
		role_session(&session, record, deadline_in_ms(LOOK_TIMEOUT_MS), err);
	char has[8] = "";

	if (outcome == PG_OK) {
		outcome = run_f(session, has, sizeof(has), err,
				"SELECT rolpassword = '%s' FROM pg_catalog.pg_authid "
				"WHERE rolname = '%s'",
				verifier, config()->admin_user);
		pg_close(session);
	}
	if (outcome == PG_OK && strcmp(has, "t") == 0)
		return PG_OK;
	*err = *why;
	if (outcome != PG_OK)
		fail_because(err, "it is not known whether the admin role was changed");
	return PG_FAILED;
}

static enum pg_outcome role_put(struct pg_session *session, const struct record *record,
				const char *verifier, struct error *err)
{
	const char *admin = config()->admin_user;
	enum pg_outcome outcome;
	AUTO_BUF sql = { 0 };
	char found[8];
	bool is_open;

	outcome = run_f(session, found, sizeof(found), err,
			"SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = '%s'%s", admin,
			"");
	if (outcome != PG_OK)
		return outcome;
	if (!buf_printf(&sql, "%s ROLE \"%s\" WITH " ATTRIBUTES,
			*found ? "ALTER" : "CREATE", admin, verifier)) {
		fail(err, ERR_INTERNAL, "out of memory");
		return PG_FAILED;
	}
	outcome = pg_change(session, buf_text(&sql), &is_open, err);
	if (is_open) {
		struct error why = *err;

		return role_look(record, verifier, &why, err);
	}
	return outcome;
}

static enum pg_outcome database_put(struct pg_session *session, struct error *err)
{
	enum pg_outcome outcome;
	char open[8];

	outcome = pg_run(session,
			 "SELECT datallowconn FROM pg_catalog.pg_database "
			 "WHERE datname = 'postgres'",
			 open, sizeof(open), err);
	if (outcome != PG_OK || strcmp(open, "t") == 0)
		return outcome;
	if (!*open)
		return pg_run(session, "CREATE DATABASE postgres TEMPLATE template0",
			      NULL, 0, err);
	return pg_run(session, "ALTER DATABASE postgres ALLOW_CONNECTIONS true", NULL, 0,
		      err);
}

enum pg_outcome role_settle(const struct record *record, const char *verifier,
			    long long deadline_ms, struct error *err)
{
	struct pg_session *session;
	enum pg_outcome outcome = role_session(&session, record, deadline_ms, err);

	if (outcome != PG_OK)
		return outcome;
	outcome = database_put(session, err);
	if (outcome == PG_OK)
		outcome = role_put(session, record, verifier, err);
	pg_close(session);
	return outcome;
}

/* A role that is missing is dropped to be as it was. A verifier may be of any length: a
 * statement that does not fit is none. */
static const char keep_sql[] =
	"SELECT CASE WHEN length(sql) < 1000 THEN sql END FROM (SELECT coalesce((SELECT "
	"format('ALTER ROLE %%I WITH %%sLOGIN %%sSUPERUSER %%sCREATEDB %%sCREATEROLE "
	"%%sREPLICATION %%sBYPASSRLS %%sINHERIT CONNECTION LIMIT %%s VALID UNTIL %%L "
	"PASSWORD %%L', rolname, no[rolcanlogin::int], no[rolsuper::int], "
	"no[rolcreatedb::int], no[rolcreaterole::int], no[rolreplication::int], "
	"no[rolbypassrls::int], no[rolinherit::int], rolconnlimit, "
	"coalesce(rolvaliduntil, 'infinity'), rolpassword) "
	"FROM pg_authid, (SELECT '[0:1]={NO,\"\"}'::text[]) AS words(no) "
	"WHERE rolname = '%s'), 'DROP ROLE \"%s\"')) AS kept(sql)";

enum pg_outcome role_keep(const struct record *record, char ret[ROLE_SQL_SIZE],
			  long long deadline_ms, struct error *err)
{
	struct pg_session *session;
	enum pg_outcome outcome = role_session(&session, record, deadline_ms, err);
	const char *admin = config()->admin_user;

	if (outcome != PG_OK)
		return outcome;
	outcome = run_f(session, ret, ROLE_SQL_SIZE, err, keep_sql, admin, admin);
	pg_close(session);
	return outcome;
}

enum pg_outcome role_put_back(const struct record *record, const char *kept,
			      long long deadline_ms, struct error *err)
{
	struct pg_session *session;
	enum pg_outcome outcome = role_session(&session, record, deadline_ms, err);
	bool is_open;

	if (outcome != PG_OK)
		return outcome;
	outcome = pg_change(session, kept, &is_open, err);
	pg_close(session);
	return outcome;
}

bool role_repair_sql(struct buf *ret, const char *verifier)
{
	const char *admin = config()->admin_user;

	/* Each line is a statement; single-user mode goes on after one that fails. */
	return buf_printf(ret, "CREATE ROLE \"%s\"\n", admin) &&
	       buf_printf(ret, "ALTER ROLE \"%s\" WITH " ATTRIBUTES "\n", admin,
			  verifier) &&
	       buf_printf(ret, "CREATE DATABASE postgres TEMPLATE template0\n"
			       "ALTER DATABASE postgres ALLOW_CONNECTIONS true\n") &&
	       blocker_single_sql(ret);
}

bool role_repair_check(const char *printed, struct error *err)
{
	return !blocker_single_tell(printed, err) ||
	       fail_because(err, "the admin role cannot be changed");
}

/* Login event triggers exist since PostgreSQL 17. */
static enum pg_outcome triggers_disable(struct pg_session *session, struct error *err)
{
	char sql[512];
	enum pg_outcome outcome;

	outcome = pg_run(
		session,
		"SELECT string_agg(format('ALTER EVENT TRIGGER %I DISABLE', evtname), "
		"'; ') FROM pg_catalog.pg_event_trigger "
		"WHERE evtevent = 'login' AND evtenabled <> 'D'",
		sql, sizeof(sql), err);
	if (outcome != PG_OK || !*sql)
		return outcome;
	return pg_run(session, sql, NULL, 0, err);
}

enum pg_outcome role_reset(const struct record *record, long long deadline_ms,
			   struct error *err)
{
	static const char *const statements[] = {
		"ALTER ROLE \"%s\" RESET ALL%s",
		"ALTER ROLE \"%s\" IN DATABASE postgres RESET ALL%s",
		"/* %s */ ALTER DATABASE postgres RESET ALL%s",
		"/* %s */ ALTER ROLE ALL RESET ALL%s",
	};
	struct pg_session *session;
	enum pg_outcome outcome = role_session(&session, record, deadline_ms, err);

	if (outcome != PG_OK)
		return outcome;
	for (size_t i = 0; i < COUNT_OF(statements) && outcome == PG_OK; i++)
		outcome = run_f(session, NULL, 0, err, statements[i],
				config()->admin_user, "");
	if (outcome == PG_OK && record->version >= 17)
		outcome = triggers_disable(session, err);
	pg_close(session);
	return outcome;
}

enum pg_outcome role_reload(const struct record *record, long long deadline_ms,
			    struct error *err)
{
	struct pg_session *session;
	enum pg_outcome outcome = role_session(&session, record, deadline_ms, err);

	if (outcome != PG_OK)
		return outcome;
	outcome = pg_run(session, "SELECT pg_catalog.pg_reload_conf()", NULL, 0, err);
	pg_close(session);
	return outcome;
}

/* Repeats the statement until its result equals value (is), or differs from it (!is). */
static enum pg_outcome run_until(struct pg_session *session, const char *sql, bool is,
				 const char *value, long long deadline_ms,
				 struct error *err)
{
	char said[64];

	for (;;) {
		enum pg_outcome outcome = pg_run(session, sql, said, sizeof(said), err);

		if (outcome != PG_OK || (strcmp(said, value) == 0) == is)
			return outcome;
		if (deadline_passed(deadline_ms)) {
			fail(err, ERR_SERVER, "the time is up");
			return PG_FAILED;
		}
		sleep_ms(POLL_MS);
	}
}

/* The postmaster signals its children, then reads pg_hba.conf, and accepts no connection
 * in between. So once this session sees the new load time, new connections meet the new
 * file. */
static enum pg_outcome reload_wait(struct pg_session *session, long long deadline_ms,
				   struct error *err)
{
	static const char when[] = "SELECT pg_catalog.pg_conf_load_time()";
	enum pg_outcome outcome;
	char before[64];

	outcome = pg_run(session, when, before, sizeof(before), err);
	if (outcome == PG_OK)
		outcome = pg_run(session, "SELECT pg_catalog.pg_reload_conf()", NULL, 0,
				 err);
	if (outcome == PG_OK)
		outcome = run_until(session, when, false, before, deadline_ms, err);
	if (outcome == PG_FAILED)
		fail_because(err, "the server does not read its configuration again");
	return outcome;
}

static bool is_client_sql(struct buf *ret, const struct networks *clients)
{
	char text[CIDR_TEXT_SIZE];

	if (networks_is_everybody(clients))
		return buf_printf(ret, "true");
	if (!buf_printf(ret, "client_addr <<= ANY ('{"))
		return false;
	for (int i = 0; i < clients->count; i++) {
		cidr_text(&clients->list[i], text);
		if (!buf_printf(ret, "%s%s", i ? "," : "", text))
			return false;
	}
	return buf_printf(ret, "}'::inet[])");
}

static bool ending_sql(struct buf *ret, const struct networks *clients, enum tls tls)
{
	return buf_printf(ret, "SELECT count(pg_terminate_backend(pid)) "
			       "FROM pg_stat_activity LEFT JOIN pg_stat_ssl USING (pid) "
			       "WHERE client_addr IS NOT NULL AND NOT (") &&
	       is_client_sql(ret, clients) &&
	       buf_printf(ret, " AND %s)", tls == TLS_REQUIRED ? "ssl IS TRUE" : "true");
}

enum pg_outcome role_admit(const struct record *record, const struct networks *clients,
			   long long deadline_ms, struct error *err)
{
	struct pg_session *session;
	enum pg_outcome outcome;
	AUTO_BUF ending = { 0 };

	if (!ending_sql(&ending, clients, record->tls)) {
		fail(err, ERR_INTERNAL, "out of memory");
		return PG_FAILED;
	}
	outcome = role_session(&session, record, deadline_ms, err);
	if (outcome != PG_OK)
		return outcome;
	outcome = reload_wait(session, deadline_ms, err);
	if (outcome == PG_OK) {
		outcome = run_until(session, buf_text(&ending), true, "0", deadline_ms,
				    err);
		if (outcome == PG_FAILED)
			fail_because(err, "connections that are no longer allowed do "
					  "not end");
	}
	pg_close(session);
	return outcome;
}
