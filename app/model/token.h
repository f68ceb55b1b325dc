/*
 * Tokens that admit callers, and the JSON that keeps their SHA-256 hashes. A token is 256
 * random bits, so its hash needs neither salt nor work factor. Any thread.
 */
#ifndef PGBERTH_MODEL_TOKEN_H
#define PGBERTH_MODEL_TOKEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "model/record.h"

#define TOKEN_MARK                                                                       \
	"pgb_" /* first characters of every token: scanners for secrets find them */
#define TOKEN_SIZE (sizeof(TOKEN_MARK) + 64)
#define TOKEN_HASH_LENGTH 32
#define TOKEN_ID_SIZE 17

/* Rights of a token; each scope includes those before it. */
enum token_scope { SCOPE_READ, SCOPE_WRITE, SCOPE_ADMIN };

struct token {
	char name[NAME_SIZE];
	enum token_scope scope;
	char prefix[NAME_SIZE]; /* beginning of the storage_dirs that it sees; "": all */
	long long created_at, expires_at; /* seconds since 1970; 0: never */
	unsigned char hash[TOKEN_HASH_LENGTH];
	/* 64 bits of the hash's hash: no other token ever has them, one of the same name
	 * included, and the file need not keep them. */
	char id[TOKEN_ID_SIZE];
};

/* Tokens in force, and those that were revoked last, which open nothing: they are kept
 * for the log. */
struct tokens {
	struct token *list, *revoked;
	size_t count, revoked_count;
};

/* Finds the token of a name, borrowed; NULL: there is none. */
struct token *tokens_find(const struct tokens *tokens, const char *name);

void tokens_done(struct tokens *tokens);
#define AUTO_TOKENS __attribute__((cleanup(tokens_done))) struct tokens

/* The token of a list that has this id, borrowed; NULL: none has. */
const struct token *token_find_id(const struct token *list, size_t count, const char *id);

/* Makes a token: sets created_at, hash and id, and writes its text to ret_text, which the
 * caller wipes. */
bool token_make(struct token *token, char ret_text[TOKEN_SIZE], struct error *err);

/* A file's JSON, with exactly the members that version 0.2 reads: new reference, NULL
 * without memory. Read as well is a member `revoked`, which was there for a time. */
json_t *token_list_to_json(const struct token *list, size_t count);
bool tokens_from_json(struct tokens *ret, const json_t *json);

bool token_hash(const char *text, size_t length, unsigned char ret[TOKEN_HASH_LENGTH]);

bool token_is_expired(const struct token *token);

const char *scope_name(enum token_scope scope);
bool scope_from_name(enum token_scope *ret, const char *name);

#endif
