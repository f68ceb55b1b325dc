/* A message is a type, a length and a body; an ErrorResponse is fields, each ended by a
 * NUL. */
#include "pg/message.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "base/utf8.h"

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

/* Meanings of errors by SQLSTATE or its first letters ("Error Codes" of the manual). */
static const struct {
	const char *state;
	enum pg_outcome outcome;
	enum error_code code;
} meanings[] = {
	{ "57P", PG_NOT_YET,
	  ERR_STARTING },		  /* the server starts, recovers or shuts down */
	{ "28", PG_REFUSED, ERR_SERVER }, /* invalid authorization */
	{ "3D", PG_REFUSED, ERR_SERVER }, /* no such database */
	{ "55", PG_REFUSED, ERR_SERVER }, /* database without connections */
	{ "53300", PG_REFUSED, ERR_SERVER_FULL }, /* too_many_connections */
	{ "", PG_FAILED, ERR_SERVER },
};

enum pg_outcome message_error(const struct buf *body, const char *what, struct error *err)
{
	const char *state = error_field(body, 'C');
	char line[200];
	size_t i = 0;

	while (strncmp(state, meanings[i].state, strlen(meanings[i].state)) != 0)
		i++;
	utf8_one_line(line, sizeof(line), error_field(body, 'M'));
	fail(err, meanings[i].code, "%s: %s", what, line);
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
