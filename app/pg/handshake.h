/* The beginning of a connection in PostgreSQL's protocol: who one is, what the server
 * asks for in return, until it is ready for a query. For pg/ alone. Any thread. */
#ifndef PGBERTH_PG_HANDSHAKE_H
#define PGBERTH_PG_HANDSHAKE_H

#include "base/buf.h"
#include "base/error.h"
#include "pg/outcome.h"
#include "pg/wire.h"

/* For an ErrorResponse in answer to it. */
#define LET_IN "the server does not let pgberth in"

/* StartupMessage: the version, then pairs of names and values. */
enum pg_outcome hello_say(struct pg_wire *wire, const char *user, const char *database,
			  const char *options, struct error *err);

/* What an Authentication message asks for (-1: it is none); its data, as text, stand
 * behind: a NUL in them ends it. */
enum { AUTH_OK = 0, AUTH_SASL = 10, AUTH_SASL_CONTINUE = 11, AUTH_SASL_FINAL = 12 };
long long auth_kind(const struct buf *body);
const char *auth_text(const struct buf *body);

/* The next message must be an Authentication message of that kind. */
enum pg_outcome auth_hear(struct pg_wire *wire, int want, struct buf *body,
			  struct error *err);

/* After AuthenticationOk: until it is ready for a query. */
enum pg_outcome ready_hear(struct pg_wire *wire, struct error *err);

#endif
