/* The beginning of a connection in PostgreSQL's protocol, from the client's name to the
 * server's readiness for a query. For pg/ alone. Any thread. */
#ifndef PGBERTH_PG_HANDSHAKE_H
#define PGBERTH_PG_HANDSHAKE_H

#include "base/buf.h"
#include "base/error.h"
#include "pg/outcome.h"
#include "pg/wire.h"

/* The action that an ErrorResponse in answer to it reports as failed. */
#define LET_IN "the server does not let pgberth in"

/* Sends the StartupMessage: the version, then pairs of names and values, among them the
 * settings of options_pairs(). */
enum pg_outcome hello_say(struct pg_wire *wire, const char *user, const char *database,
			  const struct buf *options, struct error *err);

/* The kind of an Authentication message (-1: it is none); its data follow as text, which
 * a NUL in them ends. */
enum { AUTH_OK = 0, AUTH_SASL = 10, AUTH_SASL_CONTINUE = 11, AUTH_SASL_FINAL = 12 };
long long auth_kind(const struct buf *body);
const char *auth_text(const struct buf *body);

/* Waits for an Authentication message of this kind; any other is an error. */
enum pg_outcome auth_hear(struct pg_wire *wire, int want, struct buf *body,
			  struct error *err);

/* Waits, after AuthenticationOk, until the server is ready for a query. */
enum pg_outcome ready_hear(struct pg_wire *wire, struct error *err);

#endif
