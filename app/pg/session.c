/* Statements are simple queries; only the first value of an answer is kept. */
#include "pg/session.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/scope.h"
#include "pg/handshake.h"
#include "pg/message.h"
#include "pg/options.h"

#define BYE_MS 100
#define CANCEL_MS 1000
#define CANCEL_REQUEST 80877102
#define REFUSES "the server refuses a statement of pgberth"

/* The end of a session's time, in which its caller can look what holds a statement up.
 * The server's own limit, for statements that are not cancelled, lies within it. */
#define RESERVE_MS 5000

static long long statements_deadline(long long deadline_ms)
{
	int left = deadline_left_ms(deadline_ms);

	return deadline_ms - (left / 3 < RESERVE_MS ? left / 3 : RESERVE_MS);
}

void session_extend(struct pg_session *session, long long deadline_ms)
{
	session->deadline_ms = deadline_ms;
	session->wire.deadline_ms = statements_deadline(deadline_ms);
}

static enum pg_outcome log_in(struct pg_session *session, struct error *err)
{
	const struct pg_door *door = &session->door;
	struct pg_wire *wire = &session->wire;
	AUTO_BUF options = { 0 };
	AUTO_BUF body = { 0 };
	enum pg_outcome outcome;

	outcome = pg_wire_to_socket(wire, door->run_dir, door->uid, session->deadline_ms,
				    err);
	if (outcome != PG_OK)
		return outcome;
	wire->deadline_ms = door->login_by_ms ? door->login_by_ms
					      : statements_deadline(session->deadline_ms);
	if (!door->is_plain &&
	    !options_pairs(&options, OPTIONS_SOCKET, door->version,
			   deadline_left_ms(session->deadline_ms) * 9 / 10 + 1))
		return message_fail_memory(err);
	if (door->options &&
	    !buf_append(&options, buf_text(door->options), door->options->length))
		return message_fail_memory(err);
	outcome = hello_say(wire,
			    &(struct hello){ door->user, door->database,
					     door->is_plain ? NULL : "pgberth", &options,
					     door->is_replication },
			    err);
	if (outcome == PG_OK)
		outcome = auth_hear(wire, AUTH_OK, &body, err);
	if (outcome == PG_OK)
		outcome = ready_hear(wire, err);
	if (outcome == PG_FAILED && deadline_passed(wire->deadline_ms))
		fail(err, ERR_SERVER,
		     "the server does not answer a login in time; a transaction, also a "
		     "prepared one, may hold a lock on pg_authid or pg_database; a start "
		     "with safe ends that");
	return outcome;
}

/* A login that fails is closed without a message, since the peer may be anybody. */
enum pg_outcome session_open(struct pg_session *ret, const struct pg_door *door,
			     long long deadline_ms, struct error *err)
{
	struct pg_session session = { .wire = { .fd = -1 },
				      .door = *door,
				      .deadline_ms = deadline_ms };
	enum pg_outcome outcome = log_in(&session, err);

	if (outcome == PG_OK) {
		session_extend(&session, deadline_ms);
		session.door.login_by_ms = 0;
		session.door.run_dir = fcntl(door->run_dir, F_DUPFD_CLOEXEC, 0);
		*ret = session;
		return PG_OK;
	}
	pg_wire_close(&session.wire);
	return outcome;
}

/* A DataRow is int16 columns, then for each an int32 length (-1: NULL) and its bytes. */
static bool value_read(const struct buf *row, char *ret_value, size_t size)
{
	const unsigned char *at = (const unsigned char *)buf_text(row);
	size_t length;

	if (row->length < 6 || (!at[0] && !at[1]))
		return false;
	length = (size_t)at[2] << 24 | (size_t)at[3] << 16 | (size_t)at[4] << 8 | at[5];
	if (length == 0xffffffff)
		length = 0;
	if (length > row->length - 6)
		return false;
	snprintf(ret_value, size, "%.*s", (int)length, (const char *)at + 6);
	return true;
}

/* Reads the answer to a query to its end; keeps the first failure until then. */
static enum pg_outcome answer_hear(struct pg_session *session, char *ret_value,
				   size_t size, struct error *err)
{
	AUTO_BUF body = { 0 };
	bool has_value = false, has_failed = false;
	struct error problem;
	char type = '\0';

	while (type != 'Z') {
		enum pg_outcome outcome;

		type = '\0'; /* remains if no message comes */
		outcome = message_hear_answer(&session->wire, &type, &body, REFUSES,
					      &problem);
		if (type == 'E' && outcome != PG_OK) {
			has_failed = true;
			*err = problem;
		} else if (outcome != PG_OK) {
			*err = has_failed
				       ? *err
				       : problem; /* a FATAL error ends the answer too */
			return PG_FAILED;
		} else if (type == 'D' && ret_value && !has_value) {
			has_value = value_read(&body, ret_value, size);
		} else if (!type || !strchr("TDCIZ", type)) {
			return message_fail_protocol(err);
		}
	}
	session->is_busy = false;
	return has_failed ? PG_FAILED : PG_OK;
}

enum pg_outcome session_run(struct pg_session *session, const char *sql, char *ret_value,
			    size_t size, struct error *err)
{
	AUTO_BUF query = { 0 };
	enum pg_outcome outcome;

	if (ret_value)
		*ret_value = '\0';
	if (!message_text_add(&query, sql))
		return message_fail_memory(err);
	session->is_busy = true;
	outcome = message_say(&session->wire, 'Q', &query, err);
	return outcome == PG_OK ? answer_hear(session, ret_value, size, err) : PG_FAILED;
}

bool session_is_late(const struct pg_session *session)
{
	return session->is_busy && deadline_passed(session->wire.deadline_ms);
}

int session_pid(const struct pg_session *session)
{
	uint32_t pid;

	memcpy(&pid, session->wire.key, sizeof(pid));
	return session->wire.has_key ? (int)ntohl(pid) : 0;
}

/*
 * Sends a CancelRequest, on a connection of its own as the protocol wants it. The server
 * closes that when it has passed the request on. A session that has lost its client ends
 * by itself too (client_connection_check_interval), a moment later.
 */
static void cancel_say(const struct pg_session *session)
{
	const uint32_t request = htonl(CANCEL_REQUEST);
	AUTO_WIRE wire = { .fd = -1 };
	AUTO_BUF body = { 0 };
	struct error ignored;
	char byte;

	if (session->wire.has_key && session->door.run_dir >= 0 &&
	    pg_wire_to_socket(&wire, session->door.run_dir, session->door.uid,
			      deadline_in_ms(CANCEL_MS), &ignored) == PG_OK &&
	    buf_append(&body, &request, sizeof(request)) &&
	    buf_append(&body, session->wire.key, WIRE_KEY_SIZE) &&
	    message_say(&wire, '\0', &body, &ignored) == PG_OK)
		pg_wire_read(&wire, &byte, 1, &ignored);
}

/* Sends Terminate, so that the server has nothing to log. */
static void bye_say(struct pg_wire *wire)
{
	const struct buf nothing = { 0 };
	struct error ignored;

	wire->deadline_ms = deadline_in_ms(BYE_MS);
	message_say(wire, 'X', &nothing, &ignored);
}

void session_close(struct pg_session *session)
{
	if (session->is_busy)
		cancel_say(session);
	else if (session->wire.fd >= 0)
		bye_say(&session->wire);
	pg_wire_close(&session->wire);
	if (session->door.run_dir >= 0)
		close(session->door.run_dir);
	*session = (struct pg_session){ .wire = { .fd = -1 }, .door = { .run_dir = -1 } };
}
