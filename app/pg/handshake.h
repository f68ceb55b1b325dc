/* The beginning of a connection in PostgreSQL's protocol, from the client's name to the
 * server's readiness for a query. For pg/ alone. Any thread. */
#ifndef PGBERTH_PG_HANDSHAKE_H
#define PGBERTH_PG_HANDSHAKE_H

#include "base/buf.h"
#include "base/error.h"
#include "pg/outcome.h"
#include "pg/wire.h"

/*
 * Client's part of the StartupMessage. A session for replication takes a connection of
 * another kind (max_wal_senders) and runs the same statements, by simple queries.
 */
struct hello {
	const char *user, *database;
	const char *application;   /* NULL: it gives no name */
	const struct buf *options; /* settings, as options_pairs() writes them */
	bool is_replication;
};

/* Sends the StartupMessage: the version, then pairs of names and values. A server that
 * has closed the connection already may have said why. */
enum pg_outcome hello_say(struct pg_wire *wire, const struct hello *hello,
			  struct error *err);

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
