/* The admin role is changed by SQL over the server's socket. */
#include "pg/role.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/audit_begun.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/scope.h"
#include "base/utf8.h"
#include "engine/container.h"
#include "model/config.h"
#include "pg/blocker.h"
#include "pg/role_session.h"

/* Quoting is not needed: admin_user (config.c) and verifiers (base64, '$', ':') have no
 * quotes. */
#define ATTRIBUTES                                                                       \
	"LOGIN SUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS INHERIT "             \
	"CONNECTION LIMIT -1 VALID UNTIL 'infinity' PASSWORD '%s'"

#define LOOK_TIMEOUT_MS 5000

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

/* PostgreSQL does not say who uses a database that it refuses to copy or to drop. */
static void user_tell(struct pg_session *session, const char *database, struct error *err)
{
	static const char user_sql[] =
		"SELECT coalesce((SELECT 'the prepared transaction ' || "
		"quote_literal(left(gid, 60)) FROM pg_prepared_xacts WHERE database = "
		"'%s' LIMIT 1), (SELECT concat('session ', pid, ' of user ', usename) FROM "
		"pg_stat_activity WHERE datname = '%s' LIMIT 1))";
	char why[200], who[120], line[120];
	struct error ignored;

	if (!strstr(err->message, "being accessed by other users") ||
	    run_f(session, who, sizeof(who), &ignored, user_sql, database, database) !=
		    PG_OK ||
	    !*who)
		return;
	snprintf(why, sizeof(why), "%.199s", err->message);
	utf8_one_line(line, sizeof(line), who);
	fail(err, ERR_SERVER,
	     "%s: %s; end that, or stop the server and POST it with a password", why,
	     line);
}

/* template0 may be gone, as may everything else. */
static enum pg_outcome database_make(struct pg_session *session, struct error *err)
{
	struct error first;

	if (pg_run(session, "CREATE DATABASE postgres TEMPLATE template0", NULL, 0,
		   &first) == PG_OK)
		return PG_OK;
	user_tell(session, "template0", &first);
	if (pg_run(session, "CREATE DATABASE postgres TEMPLATE template1", NULL, 0,
		   err) == PG_OK)
		return PG_OK;
	*err = first;
	return PG_FAILED;
}

/* Single-user mode has no other way to be rid of it than a new name, see
 * role_repair_sql(). */
static enum pg_outcome leftover_drop(struct pg_session *session, struct error *err)
{
	char sql[128];
	enum pg_outcome outcome =
		pg_run(session,
		       "SELECT format('DROP DATABASE %I', datname) "
		       "FROM pg_catalog.pg_database WHERE datconnlimit = -2 "
		       "AND datname = 'pgberth_invalid_' || oid LIMIT 1",
		       sql, sizeof(sql), err);

	return outcome != PG_OK || !*sql ? outcome : pg_run(session, sql, NULL, 0, err);
}

/* The work on each state of the database postgres but "open". */
static enum pg_outcome database_put(struct pg_session *session, const char *state,
				    char ret_done[ROLE_DONE_SIZE], struct error *err)
{
	enum pg_outcome outcome = PG_OK;

	if (strcmp(state, "closed") == 0) {
		snprintf(ret_done, ROLE_DONE_SIZE,
			 "the database postgres admits connections again");
		return pg_change(session,
				 "ALTER DATABASE postgres ALLOW_CONNECTIONS true", NULL,
				 err);
	}
	if (*state)
		outcome = pg_run(session, "DROP DATABASE postgres", NULL, 0, err);
	if (outcome != PG_OK) {
		user_tell(session, "postgres", err);
		return outcome;
	}
	snprintf(ret_done, ROLE_DONE_SIZE,
		 "the database postgres was %s and is made again",
		 *state ? "half dropped" : "gone");
	return database_make(session, err);
}

/* A DROP that was cut off leaves the database "invalid", with files missing: DROP is all
 * that PostgreSQL still does with it. */
static enum pg_outcome database_settle(struct pg_session *session,
				       const struct record *record,
				       char ret_done[ROLE_DONE_SIZE], struct error *err)
{
	enum pg_outcome outcome;
	AUTO_BEGUN int begun = 0;
	char state[16];

	outcome = pg_run(session,
			 "SELECT CASE WHEN datconnlimit = -2 THEN 'invalid' "
			 "WHEN datallowconn THEN 'open' ELSE 'closed' END "
			 "FROM pg_catalog.pg_database WHERE datname = 'postgres'",
			 state, sizeof(state), err);
	if (outcome != PG_OK || strcmp(state, "open") == 0)
		return outcome;
	begun = audit_begin_own("mend_database", record->storage_dir, "");
	outcome = database_put(session, state, ret_done, err);
	if (outcome != PG_OK)
		return outcome;
	log_warn("database mended name=%s did=%s", record->storage_dir,
		 LOG_TEXT(ret_done));
	audit_own("mend_database", record->storage_dir, "");
	return PG_OK;
}

enum pg_outcome role_settle_in(struct pg_session *session, const struct record *record,
			       const char *verifier, char ret_done[ROLE_DONE_SIZE],
			       struct error *err)
{
	struct error ignored;
	enum pg_outcome outcome;

	ret_done[0] = '\0';
	outcome = database_settle(session, record, ret_done, err);
	if (outcome == PG_OK)
		outcome = role_put(session, record, verifier, err);
	if (outcome == PG_OK)
		leftover_drop(session, &ignored);
	return outcome;
}

enum pg_outcome role_settle(const struct record *record, const char *verifier,
			    char ret_done[ROLE_DONE_SIZE], long long deadline_ms,
			    struct error *err)
{
	struct pg_session *session;
	enum pg_outcome outcome =
		role_session_for_change(&session, record, NULL, deadline_ms, err);

	ret_done[0] = '\0';
	if (outcome != PG_OK)
		return outcome;
	outcome = role_settle_in(session, record, verifier, ret_done, err);
	pg_close(session);
	return outcome;
}

enum pg_outcome role_crowd(const struct record *record, char ret[ROLE_DONE_SIZE],
			   long long deadline_ms, struct error *err)
{
	struct pg_session *session;
	enum pg_outcome outcome = role_session(&session, record, deadline_ms, err);
	char most[16];

	ret[0] = '\0';
	if (outcome != PG_OK)
		return outcome;
	outcome = pg_run(session, "SHOW max_connections", most, sizeof(most), err);
	pg_close(session);
	if (outcome == PG_OK &&
	    atoi(most) > CONTAINER_PROCESSES - CONTAINER_PROCESSES_OWN)
		snprintf(ret, ROLE_DONE_SIZE,
			 "max_connections is %d, but its limit of %d processes lets it "
			 "have some %d sessions",
			 atoi(most), CONTAINER_PROCESSES,
			 CONTAINER_PROCESSES - CONTAINER_PROCESSES_OWN);
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

enum pg_outcome role_keep(struct pg_session *session, char ret[ROLE_SQL_SIZE],
			  struct error *err)
{
	const char *admin = config()->admin_user;
	enum pg_outcome outcome =
		pg_run(session, "SET idle_session_timeout = 0", NULL, 0, err);

	return outcome == PG_OK
		       ? run_f(session, ret, ROLE_SQL_SIZE, err, keep_sql, admin, admin)
		       : outcome;
}

enum pg_outcome role_put_back(struct pg_session *session, const struct record *record,
			      const char *kept, long long deadline_ms, struct error *err)
{
	struct pg_session *other;
	enum pg_outcome outcome;
	char one[2];

	pg_extend(session, deadline_ms);
	if (pg_run(session, "SELECT 1", one, sizeof(one), err) == PG_OK)
		return pg_change(session, kept, NULL, err);
	outcome = role_session_for_change(&other, record, NULL, deadline_ms, err);
	if (outcome != PG_OK)
		return outcome;
	outcome = pg_change(other, kept, NULL, err);
	pg_close(other);
	return outcome;
}

bool role_repair_sql(struct buf *ret, const char *verifier)
{
	const char *admin = config()->admin_user;

	/* Each line is a statement; single-user mode goes on after one that fails. */
	return buf_printf(
		       ret,
		       "UPDATE pg_catalog.pg_database SET datname = 'pgberth_invalid_' "
		       "|| oid WHERE datname = 'postgres' AND datconnlimit = -2\n"
		       "CREATE ROLE \"%s\"\n",
		       admin) &&
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
