/*
 * Carries bytes to and from a server that may be hostile, in clear or over TLS. No wait
 * exceeds the deadline, and at most WIRE_TOTAL_MAX bytes are taken, over TLS in at most
 * WIRE_READS_MAX pieces. For pg/ alone. Any thread.
 */
#ifndef PGBERTH_PG_WIRE_H
#define PGBERTH_PG_WIRE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "pg/outcome.h"

#define WIRE_TOTAL_MAX (1024 * 1024)
#define WIRE_READS_MAX 100000 /* TLS needs two reads for each record */
#define WIRE_BINDING_MAX 64   /* EVP_MAX_MD_SIZE */
#define WIRE_KEY_SIZE 8	      /* BackendKeyData of protocol 3.0 */

struct pg_wire {
	int fd;		    /* non-blocking; -1: closed */
	struct ssl_st *tls; /* NULL: in clear */
	bool is_to_socket;
	long long deadline_ms;
	size_t heard; /* bytes of messages */
	int reads;    /* reads of TLS from the socket */
	/* The session's pid and secret in the server, as a CancelRequest has them. */
	unsigned char key[WIRE_KEY_SIZE];
	bool has_key;
};

/* Main thread, once. */
bool pg_wire_init(struct error *err);

/*
 * Connects to the socket in a directory, whose process must run as uid before it receives
 * a byte; or to a port, over TLS. PG_NOT_YET when nobody listens. The peer at a port is
 * not known: see pg_wire_binding(). PG_REFUSED when the server at the port answers with an
 * error before TLS; its text is still to be read, behind the E.
 */
enum pg_outcome pg_wire_to_socket(struct pg_wire *ret, int run_dir, int uid,
				  long long deadline_ms, struct error *err);
enum pg_outcome pg_wire_to_port(struct pg_wire *ret, const char *address, int port,
				long long deadline_ms, struct error *err);
void pg_wire_close(struct pg_wire *wire);

#define AUTO_WIRE __attribute__((cleanup(pg_wire_close))) struct pg_wire

/* Computes the channel's tls-server-end-point (RFC 5929): the hash of the server's
 * certificate. */
bool pg_wire_binding(const struct pg_wire *wire, unsigned char ret[WIRE_BINDING_MAX],
		     size_t *ret_length, struct error *err);

/* Whether an answer may come after a message was sent with this outcome: a server that
 * refuses a connection may close it before it reads from it. */
static inline bool pg_wire_may_answer(enum pg_outcome sent)
{
	return sent == PG_OK || sent == PG_NOT_YET;
}

/* Send or read exactly `length` bytes. */
enum pg_outcome pg_wire_send(struct pg_wire *wire, const struct buf *bytes,
			     struct error *err);
enum pg_outcome pg_wire_read(struct pg_wire *wire, void *data, size_t length,
			     struct error *err);

#endif
