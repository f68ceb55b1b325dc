/*
 * The client's side of SCRAM-SHA-256-PLUS (RFC 5802, 7677, 5929) for servers that may be
 * hostile: the server must prove that it knows the password too, and cannot make pgberth
 * compute for long. Pure but for the nonce. Any thread.
 */
#ifndef PGBERTH_PG_SCRAM_H
#define PGBERTH_PG_SCRAM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"

#define SCRAM_MECHANISM "SCRAM-SHA-256-PLUS"

/*
 * 100,000 iterations take some 50 ms, 2^31 a quarter of an hour. PostgreSQL's default is
 * 4,096, the least that RFC 7677 allows: with fewer, or with next to no salt, a server
 * that does not know the password could guess it from the client's proof.
 */
#define SCRAM_ITERATIONS_MIN 4096
#define SCRAM_ITERATIONS_MAX 100000
#define SCRAM_SALT_MIN 8
#define SCRAM_HASH 32

struct scram {
	struct buf password; /* as SCRAM hashes it */
	struct buf binding;  /* gs2 header and channel binding, base64 */
	struct buf bare;     /* client-first-message-bare */
	char nonce[64];	     /* the client's */
	unsigned char server_signature[SCRAM_HASH]; /* expected from the server */
};

/* Prepares *scram (end it with scram_done()) and appends the client's first message. */
bool scram_first(struct scram *scram, const char *password, const unsigned char *binding,
		 size_t binding_length, struct buf *ret, struct error *err);

/* Reads the server's first message, appends the client's final one. Errors: ERR_SERVER
 * when the message is not valid, answers another nonce, or asks for too few or too many
 * iterations. */
bool scram_final(struct scram *scram, const char *server_first, struct buf *ret,
		 struct error *err);

/* Checks that the server's final message proves that it knows the password. */
bool scram_check(const struct scram *scram, const char *server_final, struct error *err);

void scram_done(struct scram *scram);

#define AUTO_SCRAM __attribute__((cleanup(scram_done))) struct scram

#endif
