/*
 * A connection to a server that may be hostile, in PostgreSQL's protocol 3.0: nothing
 * waits beyond the deadline, no message is taken that is longer than WIRE_MESSAGE_MAX,
 * and no more than WIRE_TOTAL_MAX bytes in all, of TLS no more than WIRE_READS_MAX
 * pieces. For pg*.c only. Any thread.
 *
 * Source: "Frontend/Backend Protocol" of PostgreSQL's manual.
 */
#ifndef PGBERTH_PG_WIRE_H
#define PGBERTH_PG_WIRE_H

#include "base/buf.h"
#include "base/error.h"
#include "pg/outcome.h"

#define WIRE_MESSAGE_MAX (64 * 1024)
#define WIRE_TOTAL_MAX (1024 * 1024)
#define WIRE_READS_MAX 100000 /* TLS takes two for each record */
#define WIRE_BINDING_MAX 64   /* EVP_MAX_MD_SIZE */

struct pg_wire {
	int fd;		    /* non-blocking; -1: closed */
	struct ssl_st *tls; /* NULL: in clear */
	long long deadline_ms;
	size_t heard; /* bytes of messages */
	int reads;    /* of TLS, from the socket */
};

/* Main thread, once. */
bool pg_wire_init(struct error *err);

/*
 * Connects: to the socket in a directory, whose process must run as uid before it is told
 * anything; or to a port, over TLS. PG_NOT_YET when nobody is there. Nothing is known
 * of who is at the port: see pg_wire_binding().
 */
enum pg_outcome pg_wire_to_socket(struct pg_wire *ret, int run_dir, int uid,
				  long long deadline_ms, struct error *err);
enum pg_outcome pg_wire_to_port(struct pg_wire *ret, const char *address, int port,
				long long deadline_ms, struct error *err);
void pg_wire_close(struct pg_wire *wire);

#define AUTO_WIRE __attribute__((cleanup(pg_wire_close))) struct pg_wire

/* The channel's tls-server-end-point (RFC 5929): the hash of the server's certificate. */
bool pg_wire_binding(const struct pg_wire *wire, unsigned char ret[WIRE_BINDING_MAX],
		     size_t *ret_length, struct error *err);

/* Sends one message; type '\0' for the first, which has none. */
enum pg_outcome pg_wire_say(struct pg_wire *wire, char type, const struct buf *body,
			    struct error *err);

/* Waits for the next message; its body replaces what is in *body. */
enum pg_outcome pg_wire_hear(struct pg_wire *wire, char *ret_type, struct buf *body,
			     struct error *err);

/* What an ErrorResponse says, in err; and what it means for who tries to get in. */
enum pg_outcome pg_wire_error(const struct buf *body, const char *what,
			      struct error *err);

#endif
