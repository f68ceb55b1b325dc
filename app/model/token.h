/*
 * Tokens that admit callers, kept as SHA-256 hashes in one JSON file that only root can
 * read. A token is 256 random bits, so its hash needs neither salt nor work factor.
 * pgberthd reads the file, pgberth changes it. Any thread; each call opens the file by
 * itself.
 */
#ifndef PGBERTH_MODEL_TOKEN_H
#define PGBERTH_MODEL_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

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

/*
 * Reads all tokens of the file; a missing file has none. *ret_stat is the file's status,
 * all 0 when it is missing. Errors: ERR_TOKENS when the file is not a regular one that
 * only its owner, root or this process's user, can read, or has another format.
 */
bool tokens_read(const char *path, struct tokens *ret, struct stat *ret_stat,
		 struct error *err);

/*
 * Makes a token, adds its hash to the file and writes its text to ret_text, which the
 * caller wipes. The caller sets name, scope, prefix and expires_at of *token. Errors:
 * ERR_ALREADY_EXISTS, ERR_INVALID when the name is pgberth's own, ERR_TOKENS.
 */
bool token_add(const char *path, struct token *token, char ret_text[TOKEN_SIZE],
	       struct error *err);

/* Replaces the file by these tokens. */
bool tokens_write(const char *path, const struct tokens *tokens, struct error *err);

/* Moves a token of the file to those that were revoked. *ret_left: number of tokens left. Errors: ERR_NOT_FOUND. */
bool token_revoke(const char *path, const char *name, size_t *ret_left,
		  struct error *err);

bool token_hash(const char *text, size_t length, unsigned char ret[TOKEN_HASH_LENGTH]);

bool token_is_expired(const struct token *token);

const char *scope_name(enum token_scope scope);
bool scope_from_name(enum token_scope *ret, const char *name);

#endif
