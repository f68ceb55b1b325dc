/*
 * SCRAM-SHA-256-PLUS, the client's side (RFC 5802, 7677, 5929), for a server that may be
 * hostile: it must prove that it knows the password, too, and it cannot make us compute
 * for long. Pure but for the nonce. For pg*.c only. Any thread.
 */
#ifndef PGBERTH_PG_SCRAM_H
#define PGBERTH_PG_SCRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

#define SCRAM_MECHANISM "SCRAM-SHA-256-PLUS"

/* PostgreSQL's default is 4,096; 100,000 take some 50 ms, 2^31 a quarter of an hour. */
#define SCRAM_ITERATIONS_MAX 100000
#define SCRAM_HASH 32

struct scram {
	struct buf password; /* as SCRAM hashes it */
	struct buf binding;  /* gs2 header and channel binding, base64 */
	struct buf bare;     /* client-first-message-bare */
	char nonce[64];	     /* ours */
	unsigned char server_signature[SCRAM_HASH]; /* that the server must know */
};

/* Prepares *scram, to be ended with scram_done(), and appends the client's first message. */
bool scram_first(struct scram *scram, const char *password, const unsigned char *binding,
		 size_t binding_length, struct buf *ret, struct error *err);

/* Reads the server's first message, appends the client's final one. Errors: ERR_SERVER:
 * it is none, not an answer to ours, or asks for too many iterations. */
bool scram_final(struct scram *scram, const char *server_first, struct buf *ret,
		 struct error *err);

/* Whether the server's final message proves that it knows the password. */
bool scram_check(const struct scram *scram, const char *server_final, struct error *err);

void scram_done(struct scram *scram);

#define AUTO_SCRAM __attribute__((cleanup(scram_done))) struct scram

#endif
