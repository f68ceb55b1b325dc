/* A session's end is the end of what it has not committed. */
#include "pg/pg.h"

#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "base/scope.h"
#include "model/config.h"
#include "pg/blocker.h"
#include "pg/handshake.h"
#include "pg/message.h"
#include "pg/options.h"
#include "pg/scram.h"
#include "pg/wire.h"

#define LOGIN_TIMEOUT_MS 15000

bool pg_init(struct error *err)
{
	return pg_wire_init(err);
}

enum pg_outcome pg_open(struct pg_session **ret, const struct pg_door *door,
			long long deadline_ms, struct error *err)
{
	struct pg_session *session = calloc(1, sizeof(*session));
	enum pg_outcome outcome;

	if (!session)
		return message_fail_memory(err);
	outcome = session_open(session, door, deadline_ms, err);
	if (outcome == PG_OK)
		*ret = session;
	else
		free(session);
	return outcome;
}

void pg_extend(struct pg_session *session, long long deadline_ms)
{
	session_extend(session, deadline_ms);
}

bool pg_tells_lock(struct pg_session *session, struct error *err)
{
	if (!session->is_detour || !blocker_tell_logins(session, err))
		return false;
	fail_because(err, "logins to the database postgres wait (template1 may let its "
			  "owner in)");
	return true;
}

void pg_close(struct pg_session *session)
{
	if (session)
		session_close(session);
	free(session);
}

enum pg_outcome pg_run(struct pg_session *session, const char *sql, char *ret_value,
		       size_t size, struct error *err)
{
	enum pg_outcome outcome = session_run(session, sql, ret_value, size, err);

	if (session_is_late(session))
		blocker_tell(session, err);
	return outcome;
}

/* A commit may be made although nobody hears of it. */
static enum pg_outcome commit(struct pg_session *session, bool *ret_is_open,
			      struct error *err)
{
	enum pg_outcome outcome;

	session->wire.deadline_ms = session->deadline_ms;
	outcome = session_run(session, "COMMIT", NULL, 0, err);
	if (!session->is_busy)
		return outcome;
	if (ret_is_open)
		*ret_is_open = true;
	if (blocker_end(session))
		fail(err, ERR_SERVER, "the server does not answer a commit");
	else
		fail(err, ERR_SERVER,
		     "the server neither answers a commit nor ends the session, so the "
		     "change may still be made");
	return PG_FAILED;
}

enum pg_outcome pg_change(struct pg_session *session, const char *sql, bool *ret_is_open,
			  struct error *err)
{
	AUTO_BUF change = { 0 };
	enum pg_outcome outcome;
	struct error ignored;

	if (ret_is_open)
		*ret_is_open = false;
	if (!buf_printf(&change, "BEGIN; %s", sql))
		return message_fail_memory(err);
	outcome = pg_run(session, buf_text(&change), NULL, 0, err);
	if (outcome == PG_OK)
		return commit(session, ret_is_open, err);
	if (!session->is_busy)
		session_run(session, "ROLLBACK", NULL, 0, &ignored);
	return outcome;
}

/* Sends the SASLInitialResponse: mechanism, int32 length, the client's first message. */
static enum pg_outcome scram_begin(struct pg_wire *wire, struct scram *scram,
				   const char *password, struct error *err)
{
	unsigned char binding[WIRE_BINDING_MAX], length[4] = { 0 };
	size_t binding_length;
	AUTO_BUF first = { 0 };
	AUTO_BUF body = { 0 };

	if (!pg_wire_binding(wire, binding, &binding_length, err) ||
	    !scram_first(scram, password, binding, binding_length, &first, err))
		return PG_FAILED;
	length[2] = (unsigned char)(first.length >> 8);
	length[3] = (unsigned char)first.length;
	if (!message_text_add(&body, SCRAM_MECHANISM) ||
	    !buf_append(&body, length, sizeof(length)) ||
	    !buf_append(&body, first.data, first.length))
		return message_fail_memory(err);
	return message_say(wire, 'p', &body, err);
}

/* True when the server lists the mechanism; each name in the list ends with a NUL. */
static bool offers_mechanism(const struct buf *body)
{
	const char *at = auth_text(body), *end = buf_text(body) + body->length;

	for (; at < end && *at; at += strlen(at) + 1)
		if (strcmp(at, SCRAM_MECHANISM) == 0)
			return true;
	return false;
}

/* The server keeps its answer to the right password until the login is complete. */
static enum pg_outcome scram_run(struct pg_wire *wire, const char *password,
				 bool *ret_is_sent, struct error *err)
{
	AUTO_SCRAM scram = { 0 };
	AUTO_BUF body = { 0 };
	AUTO_BUF final = { 0 };
	enum pg_outcome outcome = auth_hear(wire, AUTH_SASL, &body, err);

	if (outcome == PG_OK && !offers_mechanism(&body)) {
		fail(err, ERR_SERVER, "the server does not offer " SCRAM_MECHANISM);
		return PG_FAILED;
	}
	if (outcome == PG_OK)
		outcome = scram_begin(wire, &scram, password, err);
	if (outcome == PG_OK)
		outcome = auth_hear(wire, AUTH_SASL_CONTINUE, &body, err);
	if (outcome != PG_OK)
		return outcome;
	if (!scram_final(&scram, auth_text(&body), &final, err))
		return PG_FAILED;
	outcome = message_say(wire, 'p', &final, err);
	*ret_is_sent = outcome == PG_OK;
	if (outcome == PG_OK)
		outcome = auth_hear(wire, AUTH_SASL_FINAL, &body, err);
	if (outcome != PG_OK)
		return outcome;
	return scram_check(&scram, auth_text(&body), err) ? PG_OK : PG_FAILED;
}

static enum pg_outcome name_check(struct pg_session *session, const char *cluster_name,
				  struct error *err)
{
	char name[64];
	enum pg_outcome outcome =
		session_run(session, "SHOW cluster_name", name, sizeof(name), err);

	if (outcome == PG_OK && strcmp(name, cluster_name) != 0) {
		fail(err, ERR_SERVER, "another server answers at the port");
		return PG_FAILED;
	}
	return outcome;
}

static enum pg_outcome port_open(struct pg_wire *wire, int port,
				 const struct buf *options, bool is_replication,
				 long long deadline_ms, struct error *err)
{
	const struct hello hello = { config()->admin_user, "postgres", NULL, options,
				     is_replication };
	enum pg_outcome outcome =
		pg_wire_to_port(wire, config()->publish_address, port, deadline_ms, err);

	if (outcome == PG_REFUSED)
		return message_hear_refusal(wire, err);
	return outcome == PG_OK ? hello_say(wire, &hello, err) : outcome;
}

/* A way to log in. */
struct manner {
	int settings; /* those of options_pairs() */
	bool is_replication;
};

static bool login_options(struct buf *ret, const struct pg_login *login, int settings)
{
	return options_pairs(ret, settings, login->version, LOGIN_TIMEOUT_MS) &&
	       (!login->options ||
		buf_append(ret, buf_text(login->options), login->options->length));
}

static enum pg_outcome login_once(struct pg_login *login, struct manner manner,
				  long long deadline_ms, struct error *err)
{
	AUTO_SESSION session = { .wire = { .fd = -1 }, .door = { .run_dir = -1 } };
	AUTO_BUF options = { 0 };
	AUTO_BUF body = { 0 };
	enum pg_outcome outcome;
	bool is_sent = false;

	login->is_accepted = false;
	if (!login_options(&options, login, manner.settings))
		return message_fail_memory(err);
	outcome = port_open(&session.wire, login->port, &options, manner.is_replication,
			    deadline_ms, err);
	if (outcome == PG_OK)
		outcome = scram_run(&session.wire, login->password, &is_sent, err);
	if (outcome == PG_OK)
		outcome = auth_hear(&session.wire, AUTH_OK, &body, err);
	if (outcome == PG_OK)
		outcome = ready_hear(&session.wire, err);
	if (outcome == PG_OK)
		outcome = name_check(&session, login->cluster_name, err);
	login->is_accepted = is_sent && (outcome == PG_OK || err->code != ERR_PASSWORD);
	if (outcome != PG_OK)
		pg_wire_close(&session.wire); /* without a word, since the peer may be
						 anybody */
	return outcome;
}

/* Logins for replication are proven by the same password, and have connections of their
 * own; that those are taken too is no news. */
static enum pg_outcome login_where_room_is(struct pg_login *login, int settings,
					   long long deadline_ms, struct error *err)
{
	struct manner manner = { settings, false };
	enum pg_outcome outcome = login_once(login, manner, deadline_ms, err);
	struct error full;

	if (outcome != PG_FULL)
		return outcome;
	full = *err;
	manner.is_replication = true;
	outcome = login_once(login, manner, deadline_ms, err);
	if (outcome == PG_OK || login->is_accepted || err->code == ERR_PASSWORD)
		return outcome;
	*err = full;
	return PG_FULL;
}

/* A trigger may object to the settings of a proof. Where logins without them hang, the
 * first refusal tells more. */
static enum pg_outcome login_as_client(struct pg_login *login, long long deadline_ms,
				       struct error *err)
{
	struct error first = *err;
	enum pg_outcome outcome =
		login_where_room_is(login, OPTIONS_NONE, deadline_ms, err);

	if (outcome == PG_OK || !deadline_passed(deadline_ms))
		return outcome;
	*err = first;
	login->is_accepted = true;
	return PG_REFUSED;
}

enum pg_outcome pg_login(struct pg_login *login, long long deadline_ms, struct error *err)
{
	enum pg_outcome outcome =
		login_where_room_is(login, OPTIONS_LOGIN, deadline_ms, err);
	bool is_late = deadline_passed(deadline_ms);

	if (outcome == PG_FAILED && login->is_accepted && is_late)
		fail(err, ERR_SERVER,
		     "the server does not answer to the password in time; a login "
		     "trigger, or a lock, may hold up logins");
	if (outcome != PG_REFUSED || !login->is_accepted || is_late)
		return outcome;
	return login_as_client(login, deadline_ms, err);
}

enum pg_outcome pg_asks_for_scram(int port, long long deadline_ms, struct error *err)
{
	AUTO_WIRE wire = { .fd = -1 };
	const struct buf no_options = { 0 };
	AUTO_BUF body = { 0 };
	enum pg_outcome outcome =
		port_open(&wire, port, &no_options, false, deadline_ms, err);
	char type;

	if (outcome == PG_OK)
		outcome = message_hear(&wire, &type, &body, err);
	if (outcome != PG_OK)
		return outcome;
	if (type == 'R' && auth_kind(&body) == AUTH_SASL)
		return PG_OK;
	if (type != 'E') {
		fail(err, ERR_SERVER, "the server at port %d does not ask for SCRAM",
		     port);
		return PG_REFUSED;
	}
	return message_error(&body, LET_IN, err) == PG_FULL ? PG_FULL : PG_REFUSED;
}
