/*
 * The file of tokens, which only root can read: pgberthd reads it, pgberth changes it.
 * Beside it, with `.revoked` behind its name, is a file of those that were revoked last,
 * for the log: one that is missing or unreadable is none. Any thread; each call opens the
 * files by itself.
 */
#ifndef PGBERTH_MODEL_TOKEN_FILE_H
#define PGBERTH_MODEL_TOKEN_FILE_H

#include <sys/stat.h>

#include "model/token.h"

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

/* Replaces the files by these tokens. */
bool tokens_write(const char *path, const struct tokens *tokens, struct error *err);

/* Moves a token of the file to those that were revoked. *ret_left: number of tokens left.
 * Errors: ERR_NOT_FOUND. */
bool token_revoke(const char *path, const char *name, size_t *ret_left,
		  struct error *err);

#endif
