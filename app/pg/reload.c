/* Statements are repeated until their effect is seen. */
#include "pg/reload.h"

#include <string.h>

#include "base/deadline.h"
#include "base/scope.h"
#include "pg/role_session.h"

#define POLL_MS 5

enum pg_outcome reload_run(const struct record *record, long long deadline_ms,
			   struct error *err)
{
	struct pg_session *session;
	enum pg_outcome outcome =
		role_session_for_change(&session, record, NULL, deadline_ms, err);

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

enum pg_outcome reload_admit(const struct record *record, const struct networks *clients,
			     long long deadline_ms, struct error *err)
{
	struct pg_session *session;
	enum pg_outcome outcome;
	AUTO_BUF ending = { 0 };

	if (!ending_sql(&ending, clients, record->tls)) {
		fail(err, ERR_INTERNAL, "out of memory");
		return PG_FAILED;
	}
	outcome = role_session_for_change(&session, record, NULL, deadline_ms, err);
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
