/* A message is a type, a length and a body; an ErrorResponse is fields, each ended by a
 * NUL. */
#include "pg/message.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "base/utf8.h"
#include "engine/container.h"

#define STATE_LENGTH 5 /* of an SQLSTATE */
#define TEXT_MAX 300   /* of an error in a form of before protocol 3.0 */

enum pg_outcome message_fail_memory(struct error *err)
{
	fail(err, ERR_INTERNAL, "out of memory");
	return PG_FAILED;
}

enum pg_outcome message_fail_protocol(struct error *err)
{
	fail(err, ERR_SERVER, "the server breaks PostgreSQL's protocol");
	return PG_FAILED;
}

bool message_text_add(struct buf *to, const char *text)
{
	return buf_append(to, text, strlen(text) + 1);
}

enum pg_outcome message_say(struct pg_wire *wire, char type, const struct buf *body,
			    struct error *err)
{
	AUTO_BUF message = { 0 };
	uint32_t length = htonl((uint32_t)(body->length + 4));

	if ((type && !buf_append(&message, &type, 1)) ||
	    !buf_append(&message, &length, sizeof(length)) ||
	    !buf_append(&message, buf_text(body), body->length))
		return message_fail_memory(err);
	return pg_wire_send(wire, &message, err);
}

/*
 * A postmaster that cannot start a process for a connection says so as servers did before
 * protocol 3.0: an E and a text, ended by a NUL or by the connection's end
 * (report_fork_failure_to_client() in postmaster.c). Makes an ErrorResponse of it.
 */
static enum pg_outcome text_hear(struct pg_wire *wire, const char *begin, size_t length,
				 char *ret_type, struct buf *body, struct error *err)
{
	AUTO_BUF text = { 0 };
	char next = '\0';

	if (!buf_append(&text, "M", 1) || !buf_append(&text, begin, length))
		return message_fail_memory(err);
	while (text.length < TEXT_MAX && pg_wire_read(wire, &next, 1, err) == PG_OK &&
	       next)
		if (!buf_append(&text, &next, 1))
			return message_fail_memory(err);
	buf_done(body);
	*body = text;
	text = (struct buf){ 0 };
	*ret_type = 'E';
	return PG_OK;
}

enum pg_outcome message_hear_refusal(struct pg_wire *wire, struct error *err)
{
	AUTO_BUF body = { 0 };
	char type;
	enum pg_outcome outcome = text_hear(wire, "", 0, &type, &body, err);

	return outcome == PG_OK ? message_error(&body, LET_IN, err) : outcome;
}

enum pg_outcome message_hear(struct pg_wire *wire, char *ret_type, struct buf *body,
			     struct error *err)
{
	unsigned char head[5] = { 0 };
	AUTO_FREE char *data = NULL;
	enum pg_outcome outcome = pg_wire_read(wire, head, sizeof(head), err);
	size_t length = (size_t)head[1] << 24 | (size_t)head[2] << 16 |
			(size_t)head[3] << 8 | head[4];

	if (outcome != PG_OK)
		return outcome;
	if (head[0] == 'E' && length > MESSAGE_MAX)
		return text_hear(wire, (const char *)head + 1, sizeof(head) - 1, ret_type,
				 body, err);
	if (length < 4 || length > MESSAGE_MAX) {
		fail(err, ERR_SERVER, "the server sends more data than it may");
		return PG_FAILED;
	}
	length -= 4;
	data = malloc(length + 1);
	if (!data)
		return message_fail_memory(err);
	outcome = pg_wire_read(wire, data, length, err);
	if (outcome != PG_OK)
		return outcome;
	data[length] = '\0';
	buf_done(body);
	*body = (struct buf){ .data = take(&data),
			      .length = length,
			      .allocated = length + 1 };
	*ret_type = (char)head[0];
	return PG_OK;
}

/* A field of an ErrorResponse ("": missing), up to the body's end. */
static const char *error_field(const struct buf *body, char name)
{
	const char *text = buf_text(body);

	for (size_t at = 0; at < body->length && text[at];
	     at += strlen(text + at) + 1) /* a NUL stands behind body */
		if (text[at] == name)
			return text + at + 1;
	return "";
}

#define NUMBER_TEXT(number) #number
#define NUMBER(number) NUMBER_TEXT(number)
#define PUT_PASSWORD "; PUT its password, which makes role and database as they were"
#define REPAIR                                                                           \
	"; stop it and POST it with a password, which mends that in single-user mode"

/*
 * Answers to a login by SQLSTATE or its first letters ("Error Codes" of the manual) and,
 * where that is not enough, by words of the message. The first row that fits wins.
 */
static const struct {
	const char *state;
	const char *words;
	enum pg_outcome outcome;
	enum error_code code;
	const char *advice;
} meanings[] = {
	/* A session that was idle for too long, by a setting. */
	{ "57P05", "", PG_REFUSED, ERR_SERVER, "" },
	/* The server starts, recovers or shuts down. */
	{ "57P", "", PG_NOT_YET, ERR_STARTING, "" },
	{ "28P01", "", PG_REFUSED, ERR_PASSWORD, "" },
	{ "28", "no pg_hba.conf entry", PG_REFUSED, ERR_SERVER, "" },
	/* The role is missing, or may not log in. */
	{ "28", "", PG_REFUSED, ERR_SERVER, PUT_PASSWORD },
	/* The database is missing, closed, or half dropped. */
	{ "3D", "subdirectory", PG_REFUSED, ERR_SERVER, "" },
	{ "3D", "", PG_REFUSED, ERR_SERVER, PUT_PASSWORD },
	{ "55000", "", PG_REFUSED, ERR_SERVER, PUT_PASSWORD },
	/* Limits of a role or database hold for a role that is not superuser any more. */
	{ "53300", "for role", PG_REFUSED, ERR_SERVER, PUT_PASSWORD },
	{ "53300", "for database", PG_REFUSED, ERR_SERVER, PUT_PASSWORD },
	{ "42501", "", PG_REFUSED, ERR_SERVER, PUT_PASSWORD },
	{ "53300", "", PG_FULL, ERR_SERVER_FULL, "" },
	/* The postmaster's own words have no SQLSTATE. */
	{ "", "could not fork new process for connection: Resource temporarily", PG_FULL,
	  ERR_SERVER_FULL,
	  "; its limit is " NUMBER(CONTAINER_PROCESSES) " processes: end sessions, or "
							"lower max_connections" },
	{ "", "could not fork", PG_FULL, ERR_SERVER_FULL, "" },
	/* Want of memory or disk, a library that is missing, a trigger that raises. */
	{ "", "", PG_REFUSED, ERR_SERVER, "" },
};

static size_t meaning_of(const char *state, const char *message, const char *detail)
{
	size_t i = 0;

	while (strncmp(state, meanings[i].state, strlen(meanings[i].state)) != 0 ||
	       (!strstr(message, meanings[i].words) &&
		!strstr(detail, meanings[i].words)))
		i++;
	return i;
}

/* "": the server gave none, or no such one ("Error Codes" of the manual). */
static const char *error_state(const struct buf *body)
{
	static const char characters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	const char *state = error_field(body, 'C');

	return strlen(state) == STATE_LENGTH && strspn(state, characters) == STATE_LENGTH
		       ? state
		       : "";
}

/* The first line of a message, which may be missing. */
static void error_line(char *ret, size_t size, const char *message, const char *state)
{
	utf8_one_line(ret, size, message);
	if (!ret[strspn(ret, " ")])
		snprintf(ret, size, "no reason given%s%s%s", *state ? " (SQLSTATE " : "",
			 state, *state ? ")" : "");
}

enum pg_outcome message_error(const struct buf *body, const char *what, struct error *err)
{
	const char *message = error_field(body, 'M'), *detail = error_field(body, 'D');
	const char *state = error_state(body);
	size_t i = meaning_of(state, message, detail);
	bool by_socket = strcmp(what, LET_IN_BY_SOCKET) == 0;
	bool is_login = by_socket || strcmp(what, LET_IN) == 0;
	const char *advice = meanings[i].advice;
	char line[140], more[80];

	if (by_socket && strcmp(advice, PUT_PASSWORD) == 0)
		advice = REPAIR; /* no superuser is left to mend it */
	error_line(line, sizeof(line), message, state);
	utf8_one_line(more, sizeof(more), is_login ? detail : "");
	fail(err, meanings[i].code, "%s: %s%s%s%s%s", what, line, *more ? " (" : "", more,
	     *more ? ")" : "", is_login ? advice : "");
	return meanings[i].outcome;
}

/* NoticeResponse, ParameterStatus, BackendKeyData, which is kept, and
 * NotificationResponse. */
static bool needs_no_answer(struct pg_wire *wire, char type, const struct buf *body)
{
	if (type == 'K' && body->length == WIRE_KEY_SIZE) {
		memcpy(wire->key, body->data, WIRE_KEY_SIZE);
		wire->has_key = true;
	}
	return type && strchr("NSKA", type);
}

enum pg_outcome message_hear_answer(struct pg_wire *wire, char *ret_type,
				    struct buf *body, const char *what, struct error *err)
{
	enum pg_outcome outcome;

	do
		outcome = message_hear(wire, ret_type, body, err);
	while (outcome == PG_OK && needs_no_answer(wire, *ret_type, body));
	if (outcome == PG_OK && *ret_type == 'E')
		return message_error(body, what, err);
	return outcome;
}
