/*
 * Messages of PostgreSQL's protocol 3.0, none of them longer than MESSAGE_MAX. For pg/
 * alone. Any thread.
 *
 * Source: "Frontend/Backend Protocol" of PostgreSQL's manual.
 */
#ifndef PGBERTH_PG_MESSAGE_H
#define PGBERTH_PG_MESSAGE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "pg/outcome.h"
#include "pg/wire.h"

#define MESSAGE_MAX (64 * 1024)

/* Appends a text and the NUL that ends it; false without memory. */
bool message_text_add(struct buf *to, const char *text);

/* The action that an ErrorResponse reports as failed in answer to a login, and to one that
 * any superuser may make. */
#define LET_IN "the server does not let pgberth in"
#define LET_IN_BY_SOCKET LET_IN " by its socket"

/* Sends one message; type '\0' for the first, which has none. */
enum pg_outcome message_say(struct pg_wire *wire, char type, const struct buf *body,
			    struct error *err);

/* Waits for the next message; its body replaces the content of *body. */
enum pg_outcome message_hear(struct pg_wire *wire, char *ret_type, struct buf *body,
			     struct error *err);

/* The same, but passes over messages that need no answer; an ErrorResponse is reported as
 * a failure to do `what`. */
enum pg_outcome message_hear_answer(struct pg_wire *wire, char *ret_type,
				    struct buf *body, const char *what,
				    struct error *err);

/* Hears the rest of an error that came before TLS, as text behind an E; never PG_OK. */
enum pg_outcome message_hear_refusal(struct pg_wire *wire, struct error *err);

/* Puts the text of an ErrorResponse into err; returns its meaning for a login. */
enum pg_outcome message_error(const struct buf *body, const char *what,
			      struct error *err);

/* Fail with PG_FAILED: memory is missing; the server sent what it must not send here. */
enum pg_outcome message_fail_memory(struct error *err);
enum pg_outcome message_fail_protocol(struct error *err);

#endif
