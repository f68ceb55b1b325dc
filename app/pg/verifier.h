/*
 * Passwords become verifiers in this process, and only these leave it. They are made by
 * libpq, so that their text, their iterations and their SASLprep (RFC 4013) are
 * PostgreSQL's own in all versions; that scram.c logs in with the same password proves
 * each of them before anybody is told of it. libpq connects to nothing: it would let a
 * server choose how long it computes, and how much memory it takes. Any thread.
 */
#ifndef PGBERTH_PG_VERIFIER_H
#define PGBERTH_PG_VERIFIER_H

#include <stdbool.h>

#include "base/error.h"

#define VERIFIER_SIZE 256

/* Main thread, before any other: forgets PG* variables, which libpq would obey. */
void pg_verifier_init(void);

/* Makes the verifier of a password: SCRAM-SHA-256$… */
bool pg_verifier(const char *password, char ret[VERIFIER_SIZE], struct error *err);

#endif
