/* Statements are simple queries; only the first value of an answer is kept. */
#include "pg/pg.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadline.h"
#include "base/scope.h"
#include "model/config.h"
#include "pg/handshake.h"
#include "pg/message.h"
#include "pg/scram.h"
#include "pg/wire.h"

#define BYE_MS 100
#define REFUSES "the server refuses a statement of pgberth"

struct pg_session {
	struct pg_wire wire;
};

bool pg_init(struct error *err)
{
	return pg_wire_init(err);
}

/*
 * Client options override the tenant's settings for role and database. From 17 on, a
 * login event trigger could lock pgberth out.
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
	struct pg_session *session = calloc(1, sizeof(*session));
	AUTO_BUF body = { 0 };
	enum pg_outcome outcome;

	if (!session)
		return message_fail_memory(err);
	outcome = pg_wire_to_socket(&session->wire, door->run_dir, door->uid, deadline_ms,
				    err);
	if (outcome == PG_OK)
		outcome = hello_say(&session->wire, door->user, door->database, options,
				    err);
	if (outcome == PG_OK)
		outcome = auth_hear(&session->wire, AUTH_OK, &body, err);
	if (outcome == PG_OK)
		outcome = ready_hear(&session->wire, err);
	if (outcome != PG_OK) {
		/* Closes without a message, since the peer may be anybody. */
		pg_wire_close(&session->wire);
		free(session);
		return outcome;
	}
	*ret = session;
	return PG_OK;
}

/* Sends Terminate, so that the server has nothing to log. */
static void bye_say(struct pg_wire *wire)
{
	const struct buf nothing = { 0 };
	struct error ignored;

	wire->deadline_ms = deadline_in_ms(BYE_MS);
	message_say(wire, 'X', &nothing, &ignored);
}

void pg_close(struct pg_session *session)
{
	if (!session)
		return;
	if (session->wire.fd >= 0)
		bye_say(&session->wire);
	pg_wire_close(&session->wire);
	free(session);
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
static enum pg_outcome answer_hear(struct pg_wire *wire, char *ret_value, size_t size,
				   struct error *err)
{
	AUTO_BUF body = { 0 };
	bool has_value = false, has_failed = false;
	struct error problem;
	char type = '\0';

	while (type != 'Z') {
		enum pg_outcome outcome;

		type = '\0'; /* remains if no message comes */
		outcome = message_hear_answer(wire, &type, &body, REFUSES, &problem);
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
	return has_failed ? PG_FAILED : PG_OK;
}

enum pg_outcome pg_run(struct pg_session *session, const char *sql, char *ret_value,
		       size_t size, struct error *err)
{
	AUTO_BUF query = { 0 };
	enum pg_outcome outcome;

	if (ret_value)
		*ret_value = '\0';
	if (!message_text_add(&query, sql))
		return message_fail_memory(err);
	outcome = message_say(&session->wire, 'Q', &query, err);
	return outcome == PG_OK ? answer_hear(&session->wire, ret_value, size, err)
				: PG_FAILED;
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

static enum pg_outcome scram_run(struct pg_wire *wire, const char *password,
				 struct error *err)
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
		pg_run(session, "SHOW cluster_name", name, sizeof(name), err);

	if (outcome == PG_OK && strcmp(name, cluster_name) != 0) {
		fail(err, ERR_SERVER, "another server answers at the port");
		return PG_FAILED;
	}
	return outcome;
}

static enum pg_outcome port_open(struct pg_wire *wire, int port, long long deadline_ms,
				 struct error *err)
{
	enum pg_outcome outcome =
		pg_wire_to_port(wire, config()->publish_address, port, deadline_ms, err);

	return outcome == PG_OK
		       ? hello_say(wire, config()->admin_user, "postgres", "", err)
		       : outcome;
}

enum pg_outcome pg_login(int port, const char *password, const char *cluster_name,
			 long long deadline_ms, struct error *err)
{
	struct pg_session session;
	AUTO_BUF body = { 0 };
	enum pg_outcome outcome = port_open(&session.wire, port, deadline_ms, err);

	if (outcome == PG_OK)
		outcome = scram_run(&session.wire, password, err);
	if (outcome == PG_OK)
		outcome = auth_hear(&session.wire, AUTH_OK, &body, err);
	if (outcome == PG_OK)
		outcome = ready_hear(&session.wire, err);
	if (outcome == PG_OK)
		outcome = name_check(&session, cluster_name, err);
	if (outcome == PG_OK)
		bye_say(&session.wire);
	pg_wire_close(&session.wire);
	return outcome;
}

/* A full server (53300) would ask for SCRAM if it had a connection to spare. */
enum pg_outcome pg_asks_for_scram(int port, long long deadline_ms, struct error *err)
{
	AUTO_WIRE wire = { .fd = -1 };
	AUTO_BUF body = { 0 };
	enum pg_outcome outcome = port_open(&wire, port, deadline_ms, err);
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
	message_error(&body, LET_IN, err);
	return err->code == ERR_SERVER_FULL ? PG_OK : PG_REFUSED;
}
