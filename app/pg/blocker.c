/* Waits are followed to their root: a session may wait for another one that waits. */
#include "pg/blocker.h"

#include <stdio.h>
#include <string.h>

#include "base/deadline.h"
#include "base/utf8.h"

#define LOOK_MS 3000
#define SENTENCE_SIZE 320
#define MARK "pgberth: "

/* A prepared transaction has no process. Its locks, that on its own number among them,
 * stand under the virtual number of its session, which has ended. */
#define PREPARED                                                                         \
	"SELECT concat('the prepared transaction ', quote_literal(left(gid, 100)), "     \
	"' of user ', pg_get_userbyid(ownerid), ' in database ', datname, "              \
	"' holds a lock that pgberth waits for; COMMIT PREPARED or ROLLBACK PREPARED "   \
	"ends it, in that database') "                                                   \
	"FROM pg_prepared_xact() p(transaction, gid, prepared, ownerid, dbid) "          \
	"LEFT JOIN pg_database d ON d.oid = dbid "                                       \
	"JOIN pg_locks x ON x.pid IS NULL AND x.transactionid = p.transaction "          \
	"JOIN pg_locks h ON h.pid IS NULL AND h.virtualtransaction = x.virtualtransaction "

/* The processes that are asked about: a session's, or those of logins that wait, which
 * have no row of their own yet (before 18), or an unfinished one. */
#define ONE_SESSION "SELECT %d"
#define LOGINS                                                                           \
	"SELECT pid FROM pg_locks WHERE NOT granted AND pid NOT IN (SELECT pid "         \
	"FROM pg_stat_activity WHERE state IS DISTINCT FROM 'starting')"

#define LOOK(me)                                                                                        \
	"WITH RECURSIVE me(pid) AS (" me "), "                                                          \
	"waits(pid) AS (SELECT pid FROM me UNION "                                                      \
	"SELECT unnest(pg_blocking_pids(pid)) FROM waits WHERE pid > 0), "                              \
	"prepared(text) AS (" PREPARED "JOIN pg_locks w ON h.granted AND NOT w.granted "                \
	"AND w.pid IN (SELECT pid FROM waits) AND (w.locktype, w.database, w.relation, "                \
	"w.page, w.tuple, w.virtualxid, w.transactionid, w.classid, w.objid, w.objsubid) "              \
	"IS NOT DISTINCT FROM (h.locktype, h.database, h.relation, h.page, h.tuple, "                   \
	"h.virtualxid, h.transactionid, h.classid, h.objid, h.objsubid)), "                             \
	"sessions(text) AS (SELECT concat('session ', pid, ' (', "                                      \
	"concat_ws(', ', 'user ' || usename, 'database ' || datname, "                                  \
	"'application ' || nullif(application_name, ''), "                                              \
	"coalesce(state, backend_type), 'since ' || date_trunc('second', xact_start)), "                \
	"') holds a lock that pgberth waits for; end its transaction, or SELECT "                       \
	"pg_terminate_backend(', pid, ')') FROM pg_stat_activity WHERE pid IN (SELECT pid FROM waits) " \
	"AND pid NOT IN (SELECT pid FROM me) AND cardinality(pg_blocking_pids(pid)) = 0) "              \
	"SELECT regexp_replace(coalesce((SELECT 'L' || text FROM prepared LIMIT 1), "                   \
	"(SELECT 'L' || text FROM sessions LIMIT 1), "                                                  \
	"(SELECT 'W' || wait_event_type || ' ' || wait_event FROM pg_stat_activity "                    \
	"WHERE pid IN (SELECT pid FROM me) LIMIT 1)), '[[:cntrl:]]', ' ', 'g')"

static const char look_sql[] = LOOK(ONE_SESSION);
static const char logins_sql[] = LOOK(LOGINS);

static const char end_sql[] =
	"SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity WHERE pid = %d";

static bool ask_at(const struct pg_door *door, const char *sql, char *ret, size_t size)
{
	AUTO_SESSION session = { .wire = { .fd = -1 }, .door = { .run_dir = -1 } };
	struct error ignored;

	return session_open(&session, door, deadline_in_ms(LOOK_MS), &ignored) == PG_OK &&
	       session_run(&session, sql, ret, size, &ignored) == PG_OK;
}

/* Runs a statement about the session's process, from another session: in template1 if
 * possible, since a lock may be held on catalogs of the session's own database. */
static bool ask(const struct pg_session *about, const char *fmt, char *ret, size_t size)
{
	struct pg_door elsewhere = about->door;
	char sql[2400];

	if (!session_pid(about) || about->door.run_dir < 0)
		return false;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(sql, sizeof(sql), fmt, session_pid(about));
#pragma GCC diagnostic pop
	elsewhere.database = "template1";
	return ask_at(&elsewhere, sql, ret, size) || ask_at(&about->door, sql, ret, size);
}

void blocker_tell(const struct pg_session *session, struct error *err)
{
	char said[SENTENCE_SIZE], line[SENTENCE_SIZE];

	if (!ask(session, look_sql, said, sizeof(said)) || !*said)
		return;
	utf8_one_line(line, sizeof(line), said + 1);
	if (*said == 'L')
		fail(err, ERR_LOCKED, "%s", line);
	else if (*said == 'W')
		fail(err, ERR_SERVER, "the server does not answer in time; it waits (%s)",
		     line);
}

bool blocker_tell_logins(struct pg_session *session, struct error *err)
{
	char said[SENTENCE_SIZE], line[SENTENCE_SIZE];
	struct error ignored;

	if (session_run(session, logins_sql, said, sizeof(said), &ignored) != PG_OK ||
	    *said != 'L')
		return false;
	utf8_one_line(line, sizeof(line), said + 1);
	fail(err, ERR_LOCKED, "%s", line);
	return true;
}

/* No row: it has ended already. */
bool blocker_end(const struct pg_session *session)
{
	char said[8];

	return ask(session, end_sql, said, sizeof(said)) && strcmp(said, "f") != 0;
}

bool blocker_single_sql(struct buf *ret)
{
	return buf_printf(ret, "%s",
			  "SELECT '" MARK "' || text FROM (" PREPARED
			  "WHERE h.relation IN ('pg_authid'::regclass, "
			  "'pg_database'::regclass)) prepared(text) LIMIT 1\n");
}

/* Single-user mode prints a value between quotes, with its type behind it. */
bool blocker_single_tell(const char *printed, struct error *err)
{
	const char *at = strstr(printed, "= \"" MARK), *end;
	char line[SENTENCE_SIZE], said[SENTENCE_SIZE];

	if (!at || !strstr(printed, "due to lock timeout"))
		return false;
	at += strlen("= \"" MARK);
	end = strstr(at, "\"\t(typeid");
	snprintf(said, sizeof(said), "%.*s", end ? (int)(end - at) : 0, at);
	utf8_one_line(line, sizeof(line), said);
	fail(err, ERR_LOCKED, "%s", line);
	return true;
}
