/* Notices and parameters that a server sends in between are passed over. */
#include "pg/handshake.h"

#include <string.h>

#include "base/scope.h"
#include "pg/message.h"

enum pg_outcome hello_say(struct pg_wire *wire, const struct hello *hello,
			  struct error *err)
{
	static const char version[] = { 0, 3, 0, 0 };
	const char *const pairs[][2] = {
		{ "user", hello->user },
		{ "database", hello->database },
		{ "replication", hello->is_replication ? "database" : "off" },
		{ "application_name", hello->application },
	};
	AUTO_BUF body = { 0 };
	enum pg_outcome outcome;

	if (!buf_append(&body, version, sizeof(version)))
		return message_fail_memory(err);
	for (size_t i = 0; i < COUNT_OF(pairs); i++)
		if (pairs[i][1] && (!message_text_add(&body, pairs[i][0]) ||
				    !message_text_add(&body, pairs[i][1])))
			return message_fail_memory(err);
	if (!buf_append(&body, buf_text(hello->options), hello->options->length) ||
	    !message_text_add(&body, ""))
		return message_fail_memory(err);
	outcome = message_say(wire, '\0', &body, err);
	return pg_wire_may_answer(outcome) ? PG_OK : outcome;
}

long long auth_kind(const struct buf *body)
{
	const unsigned char *kind = (const unsigned char *)buf_text(body);

	if (body->length < 4)
		return -1;
	return (long long)kind[0] << 24 | kind[1] << 16 | kind[2] << 8 | kind[3];
}

const char *auth_text(const struct buf *body)
{
	return buf_text(body) + 4;
}

static const char *entering(const struct pg_wire *wire)
{
	return wire->is_to_socket ? LET_IN_BY_SOCKET : LET_IN;
}

enum pg_outcome auth_hear(struct pg_wire *wire, int want, struct buf *body,
			  struct error *err)
{
	char type;
	enum pg_outcome outcome =
		message_hear_answer(wire, &type, body, entering(wire), err);

	if (outcome != PG_OK)
		return outcome;
	if (type != 'R' || body->length < 4)
		return message_fail_protocol(err);
	if (auth_kind(body) != want) {
		fail(err, ERR_SERVER,
		     "the server asks for an authentication that pgberth refuses");
		return PG_FAILED;
	}
	return PG_OK;
}

enum pg_outcome ready_hear(struct pg_wire *wire, struct error *err)
{
	AUTO_BUF body = { 0 };
	char type;
	enum pg_outcome outcome =
		message_hear_answer(wire, &type, &body, entering(wire), err);

	return outcome != PG_OK || type == 'Z' ? outcome : message_fail_protocol(err);
}
