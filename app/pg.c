/* libpq, non-blocking, under deadlines. */
#include "pg.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deadline.h"
#include "pg_probe.h"
#include "scope.h"

struct pg_session {
	PGconn *conn;
	long long deadline_ms;
};

static const struct config *config;

extern char **environ;

bool pg_init(const struct config *cfg, struct error *err)
{
	for (char **at = environ; *at;) {
		char name[64];

		if (strncmp(*at, "PG", 2) != 0) {
			at++;
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*at, "="), *at);
		unsetenv(name);
	}
	config = cfg;
	return PQisthreadsafe() || fail(err, ERR_INTERNAL, "libpq is not thread-safe");
}

bool pg_verifier(const char *password, char ret[VERIFIER_SIZE], struct error *err)
{
	/* Without a usable parameter libpq does not try to connect, but hashes all the same. */
	const char *const names[] = { "sslmode", NULL };
	const char *const values[] = { "none at all", NULL };
	PGconn *conn = PQconnectStartParams(names, values, 0);
	char *verifier = conn ? PQencryptPasswordConn(conn, password, config->admin_user,
						      "scram-sha-256")
			      : NULL;
	bool ok = verifier && strlen(verifier) < VERIFIER_SIZE;

	if (ok)
		snprintf(ret, VERIFIER_SIZE, "%s", verifier);
	PQfreemem(verifier);
	PQfinish(conn);
	return ok || fail(err, ERR_INTERNAL, "cannot hash the password");
}

static void on_notice(void *user, const char *message)
{
	(void)user;
	(void)message;
}

/* A server's own words go into errors: one line of them, without control characters. */
static void one_line(char *ret, size_t size, const char *text)
{
	size_t used = 0;

	for (; *text && *text != '\n' && used < size - 1; text++)
		ret[used++] = (unsigned char)*text < 0x20 ? ' ' : *text;
	ret[used] = '\0';
}

/*
 * libpq 15 does not show the SQLSTATE of a refused connection. What the server says begins
 * with its severity (in English: lc_messages is ours), the rest libpq says itself.
 */
struct meaning {
	const char *text;
	enum pg_outcome outcome;
	enum error_code code;
};

static const struct meaning server_meanings[] = {
	{ "the database system is", PG_NOT_YET, ERR_STARTING }, /* starting up, … */
	{ "no pg_hba.conf entry", PG_REFUSED, ERR_SERVER },
	{ "authentication failed", PG_REFUSED, ERR_SERVER },
	{ "is not permitted to log in", PG_REFUSED, ERR_SERVER },
	{ "does not exist", PG_REFUSED, ERR_SERVER },
	{ "is not currently accepting connections", PG_REFUSED, ERR_SERVER },
	{ "too many clients", PG_REFUSED, ERR_SERVER_FULL },
	{ "too many connections", PG_REFUSED, ERR_SERVER_FULL },
	{ "connection slots are reserved", PG_REFUSED, ERR_SERVER_FULL },
	{ NULL, PG_FAILED, ERR_SERVER },
};

static const struct meaning libpq_meanings[] = {
	{ "Connection refused", PG_NOT_YET, ERR_STARTING },
	{ "No such file or directory", PG_NOT_YET, ERR_STARTING },
	{ "server closed the connection unexpectedly", PG_NOT_YET, ERR_STARTING },
	{ "Connection reset by peer", PG_NOT_YET, ERR_STARTING },
	{ NULL, PG_FAILED, ERR_SERVER },
};

/* libpq's own words for what this process lacks: they say nothing about the server. */
static enum error_code failure_code(const char *text)
{
	static const char *const ours[] = { "out of memory", "connection pointer is NULL",
					    "could not create socket" };

	for (size_t i = 0; i < COUNT_OF(ours); i++)
		if (!strstr(text, "FATAL:") && !strstr(text, "ERROR:") &&
		    strstr(text, ours[i]))
			return ERR_INTERNAL;
	return ERR_SERVER;
}

static enum pg_outcome conn_outcome(const PGconn *conn, struct error *err)
{
	const char *text = PQerrorMessage(conn);
	const char *said = strstr(text, "FATAL:");
	const struct meaning *meaning = said ? server_meanings : libpq_meanings;
	char line[200];

	while (meaning->text && !strstr(said ? said : text, meaning->text))
		meaning++;
	one_line(line, sizeof(line), said ? said : text);
	fail(err, meaning->text ? meaning->code : failure_code(text),
	     "the server does not let pgberth in: %s", line);
	return meaning->outcome;
}

static bool wait_for_socket(const PGconn *conn, short events, long long deadline_ms)
{
	struct pollfd ready = { .fd = PQsocket(conn), .events = events };
	int count;

	do
		count = poll(&ready, 1, deadline_left_ms(deadline_ms));
	while (count < 0 && errno == EINTR);
	return count > 0;
}

static enum pg_outcome too_slow(struct error *err)
{
	fail(err, ERR_SERVER, "the server does not answer in time");
	return PG_FAILED;
}

static enum pg_outcome conn_finish(PGconn *conn, long long deadline_ms, struct error *err)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;

	while (status != PGRES_POLLING_OK) {
		if (status == PGRES_POLLING_FAILED)
			return conn_outcome(conn, err);
		if (!wait_for_socket(conn,
				     status == PGRES_POLLING_READING ? POLLIN : POLLOUT,
				     deadline_ms))
			return too_slow(err);
		status = PQconnectPoll(conn);
	}
	return PG_OK;
}

/* PQconnectStartParams() has connected, but says nothing before PQconnectPoll(). */
static enum pg_outcome peer_check(const PGconn *conn, int uid, struct error *err)
{
	socklen_t size;
	struct ucred peer = { .uid = (uid_t)-1 };

	size = sizeof(peer);
	if (PQstatus(conn) == CONNECTION_BAD)
		return conn_outcome(conn, err);
	if (getsockopt(PQsocket(conn), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0 ||
	    peer.uid != (uid_t)uid) {
		fail(err, ERR_SERVER, "a process of another user answers on the socket");
		return PG_FAILED;
	}
	return PG_OK;
}

/*
 * Client options beat what the tenant set for role or database. From 17 on, a login
 * event trigger could lock pgberth out.
 */
#define OPTIONS                                                                          \
	"-c search_path=pg_catalog -c role=none -c default_transaction_read_only=off "   \
	"-c statement_timeout=0 -c lock_timeout=0 -c idle_session_timeout=0 "            \
	"-c log_statement=none -c log_min_duration_statement=-1 "                        \
	"-c log_min_error_statement=panic -c session_preload_libraries= "                \
	"-c local_preload_libraries= -c synchronous_commit=local"

enum pg_outcome pg_open(struct pg_session **ret, const struct pg_door *door,
			long long deadline_ms, struct error *err)
{
	const char *options =
		door->version >= 17 ? OPTIONS " -c event_triggers=off" : OPTIONS;
	char host[64];
	const char *const names[] = { "host",
				      "port",
				      "user",
				      "dbname",
				      "sslmode",
				      "gssencmode",
				      "application_name",
				      "options",
				      "passfile",
				      NULL };
	const char *const values[] = {
		host,	   "5432",    door->user, door->database,	   "disable",
		"disable", "pgberth", options,	  "/nonexistent/passfile", NULL
	};
	struct pg_session *session = calloc(1, sizeof(*session));
	enum pg_outcome outcome;

	if (!session) {
		fail(err, ERR_INTERNAL, "out of memory");
		return PG_FAILED;
	}
	snprintf(host, sizeof(host), "/proc/self/fd/%d", door->run_dir);
	session->deadline_ms = deadline_ms;
	session->conn = PQconnectStartParams(names, values, 0);
	PQsetNoticeProcessor(session->conn, on_notice, NULL);
	outcome = peer_check(session->conn, door->uid, err);
	if (outcome == PG_OK)
		outcome = conn_finish(session->conn, deadline_ms, err);
	if (outcome != PG_OK) {
		pg_close(session);
		return outcome;
	}
	*ret = session;
	return PG_OK;
}

void pg_close(struct pg_session *session)
{
	if (!session)
		return;
	PQfinish(session->conn);
	free(session);
}

/* The result once it is there; NULL when the deadline passed or the connection broke. */
static PGresult *result_wait(struct pg_session *session)
{
	while (PQisBusy(session->conn)) {
		if (!wait_for_socket(session->conn, POLLIN, session->deadline_ms) ||
		    !PQconsumeInput(session->conn))
			return NULL;
	}
	return PQgetResult(session->conn);
}

static enum pg_outcome result_read(const PGresult *result, char *ret_value, size_t size,
				   struct error *err)
{
	ExecStatusType status = PQresultStatus(result);
	char line[200];

	if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
		one_line(line, sizeof(line), PQresultErrorMessage(result));
		fail(err, failure_code(line),
		     "the server refuses a statement of pgberth: %s", line);
		return PG_FAILED;
	}
	if (ret_value)
		snprintf(ret_value, size, "%s",
			 PQntuples(result) > 0 ? PQgetvalue(result, 0, 0) : "");
	return PG_OK;
}

enum pg_outcome pg_run(struct pg_session *session, const char *sql, char *ret_value,
		       size_t size, struct error *err)
{
	enum pg_outcome outcome;
	PGresult *result;

	if (!PQsendQuery(session->conn, sql))
		return conn_outcome(session->conn, err);
	result = result_wait(session);
	if (!result)
		return too_slow(err);
	outcome = result_read(result, ret_value, size, err);
	do
		PQclear(result);
	while ((result = result_wait(session)));
	return outcome;
}

static PGconn *login_start(int port, const char *password)
{
	char port_text[16];
	const char *const names[] = {
		"hostaddr",	   "port",	  "user",
		"password",	   "dbname",	  "sslmode",
		"channel_binding", "gssencmode",  "application_name",
		"passfile",	   "sslrootcert", "sslcert",
		"sslkey",	   "sslcrl",	  NULL
	};
	/* Files that are not there: libpq would look into root's home for its defaults. */
	const char *const values[] = { config->publish_address,
				       port_text,
				       config->admin_user,
				       password,
				       "postgres",
				       "require",
				       "require",
				       "disable",
				       "pgberth",
				       "/nonexistent/passfile",
				       "/nonexistent/root.crt",
				       "/nonexistent/client.crt",
				       "/nonexistent/client.key",
				       "/nonexistent/root.crl",
				       NULL };

	snprintf(port_text, sizeof(port_text), "%d", port);
	return PQconnectStartParams(names, values, 0);
}

static enum pg_outcome name_check(struct pg_session *session, const char *cluster_name,
				  struct error *err)
{
	char name[64];
	enum pg_outcome outcome =
		pg_run(session, "SHOW cluster_name", name, sizeof(name), err);

	if (outcome == PG_OK && strcmp(name, cluster_name) != 0) {
		fail(err, ERR_SERVER, "another server answers at the port");
		return PG_FAILED;
	}
	return outcome;
}

enum pg_outcome pg_login(int port, const char *password, const char *cluster_name,
			 long long deadline_ms, struct error *err)
{
	struct pg_session session = { .deadline_ms = deadline_ms };
	enum pg_outcome outcome;

	session.conn = login_start(port, password);
	if (PQstatus(session.conn) == CONNECTION_BAD) {
		outcome = conn_outcome(session.conn, err); /* of NULL, too */
		PQfinish(session.conn);
		return outcome;
	}
	PQsetNoticeProcessor(session.conn, on_notice, NULL);
	outcome = conn_finish(session.conn, deadline_ms, err);
	if (outcome == PG_OK)
		outcome = name_check(&session, cluster_name, err);
	PQfinish(session.conn);
	return outcome;
}

enum pg_outcome pg_asks_for_scram(int port, long long deadline_ms, struct error *err)
{
	return pg_probe(config->publish_address, port, config->admin_user, deadline_ms,
			err);
}
