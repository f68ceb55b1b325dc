/* Only whole and valid files are read, changes replace them atomically. */
#include "model/token_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/files.h"
#include "base/log.h"
#include "base/scope.h"

#define FILE_MAX (1024 * 1024)
#define OWN_NAME "pgberthd"
#define REVOKED_MAX 64
#define REVOKED ".revoked" /* behind the name of the file */

/* A file by its directory, opened, and its name there; the file of the revoked ones. */
struct place {
	int dir;
	char name[NAME_MAX + 1], revoked[NAME_MAX + 1];
};

static void place_done(struct place *place)
{
	scope_close(&place->dir);
}

#define AUTO_PLACE __attribute__((cleanup(place_done))) struct place

/* False with errno set. */
static bool place_open(struct place *ret, const char *path)
{
	char directory[PATH_MAX];
	const char *slash = strrchr(path, '/');

	*ret = (struct place){ .dir = -1 };
	if (!slash || strlen(path) >= sizeof(directory) ||
	    strlen(slash + 1) + strlen(REVOKED) > NAME_MAX) {
		errno = ENAMETOOLONG;
		return false;
	}
	snprintf(ret->name, sizeof(ret->name), "%s", slash + 1);
	snprintf(ret->revoked, sizeof(ret->revoked), "%s" REVOKED, slash + 1);
	snprintf(directory, sizeof(directory), "%.*s/", (int)(slash - path), path);
	ret->dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ret->dir >= 0;
}

static bool is_private(const struct stat *stat)
{
	return S_ISREG(stat->st_mode) && !(stat->st_mode & 077) &&
	       (stat->st_uid == 0 || stat->st_uid == geteuid());
}

static bool text_read(int dir, const char *name, struct buf *ret, struct stat *ret_stat,
		      struct error *err)
{
	if (fstatat(dir, name, ret_stat, AT_SYMLINK_NOFOLLOW) != 0)
		return fail_errno(err, "cannot read the status of the file");
	if (!is_private(ret_stat))
		return fail(err, ERR_TOKENS,
			    "the file must belong to root and have mode 0600");
	return files_read(dir, name, FILE_MAX, ret, err);
}

static bool file_read(int dir, const char *name, struct tokens *ret,
		      struct stat *ret_stat, struct error *err)
{
	AUTO_BUF text = { 0 };
	json_t *json;
	bool ok;

	*ret = (struct tokens){ 0 };
	if (!text_read(dir, name, &text, ret_stat, err))
		return false;
	json = json_loadb(buf_text(&text), text.length, JSON_REJECT_DUPLICATES, NULL);
	ok = tokens_from_json(ret, json);
	json_decref(json);
	if (!ok)
		tokens_done(ret);
	return ok || fail(err, ERR_TOKENS, "the file is not in pgberth's format");
}

static bool is_missing(int dir, const char *name)
{
	return faccessat(dir, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT;
}

/* The oldest make room. */
static bool revoked_add(struct tokens *tokens, const struct token *token)
{
	struct token *grown =
		realloc(tokens->revoked, (tokens->revoked_count + 1) * sizeof(*grown));

	if (!grown)
		return false;
	tokens->revoked = grown;
	grown[tokens->revoked_count++] = *token;
	if (tokens->revoked_count > REVOKED_MAX)
		memmove(grown, grown + 1, --tokens->revoked_count * sizeof(*grown));
	return true;
}

/* They are written before the file that they are taken out of, so a token may be in
 * both. */
static void revoked_read(const struct place *place, struct tokens *tokens)
{
	AUTO_TOKENS kept = { 0 };
	struct stat ignored;
	struct error err;

	if (is_missing(place->dir, place->revoked))
		return;
	if (!file_read(place->dir, place->revoked, &kept, &ignored, &err))
		log_warn("revoked tokens unreadable name=%s error=%s",
			 LOG_WORD(place->revoked), LOG_TEXT(err.message));
	for (size_t i = 0; i < kept.count; i++)
		if (!token_find_id(tokens->list, tokens->count, kept.list[i].id) &&
		    !token_find_id(tokens->revoked, tokens->revoked_count,
				   kept.list[i].id))
			revoked_add(tokens, &kept.list[i]);
}

static bool tokens_read_at(const struct place *place, struct tokens *ret,
			   struct stat *ret_stat, struct error *err)
{
	if (!file_read(place->dir, place->name, ret, ret_stat, err))
		return false;
	revoked_read(place, ret);
	return true;
}

/* A file that cannot be read is not a missing file: it keeps everybody out. */
static bool tokens_fail(const char *path, struct error *err)
{
	err->code = ERR_TOKENS;
	return fail_because(err, "tokens cannot be read from %s", path);
}

bool tokens_read(const char *path, struct tokens *ret, struct stat *ret_stat,
		 struct error *err)
{
	AUTO_PLACE place;

	*ret = (struct tokens){ 0 };
	*ret_stat = (struct stat){ 0 };
	if (!place_open(&place, path)) {
		if (errno == ENOENT)
			return true;
		fail_errno(err, "cannot open the directory of the file");
		return tokens_fail(path, err);
	}
	if (is_missing(place.dir, place.name))
		return true;
	return tokens_read_at(&place, ret, ret_stat, err) || tokens_fail(path, err);
}

/* ---- changes ---- */

/* Locks the directory against other changes, then reads the file. */
static bool change_begin(const char *path, struct place *ret_place, struct tokens *ret,
			 struct error *err)
{
	struct stat ignored;

	*ret = (struct tokens){ 0 };
	if (!place_open(ret_place, path) || flock(ret_place->dir, LOCK_EX) != 0)
		return fail_errno(err, "cannot open the directory of %s", path);
	if (is_missing(ret_place->dir, ret_place->name))
		return true;
	return tokens_read_at(ret_place, ret, &ignored, err) || tokens_fail(path, err);
}

static bool list_write(int dir, const char *name, const struct token *list, size_t count,
		       struct error *err)
{
	json_t *json = token_list_to_json(list, count);
	AUTO_BUF text = { 0 };
	bool ok = json && buf_json(&text, json, JSON_INDENT(1)) &&
		  buf_append(&text, "\n", 1);

	json_decref(json);
	if (!ok)
		return fail(err, ERR_INTERNAL, "out of memory");
	return files_replace(dir, name, buf_text(&text), text.length, (int)geteuid(),
			     (int)getegid(), 0600, err);
}

/* The revoked ones are kept for the log: a token is revoked without that, too. */
static bool change_end(const struct place *place, const struct tokens *tokens,
		       struct error *err)
{
	struct error why;

	if (tokens->revoked_count > 0 &&
	    !list_write(place->dir, place->revoked, tokens->revoked,
			tokens->revoked_count, &why))
		log_warn("revoked tokens not kept name=%s error=%s",
			 LOG_WORD(place->revoked), LOG_TEXT(why.message));
	return list_write(place->dir, place->name, tokens->list, tokens->count, err);
}

bool tokens_write(const char *path, const struct tokens *tokens, struct error *err)
{
	AUTO_PLACE place;

	if (!place_open(&place, path))
		return fail_errno(err, "cannot open the directory of %s", path);
	return change_end(&place, tokens, err);
}

bool token_add(const char *path, struct token *token, char ret_text[TOKEN_SIZE],
	       struct error *err)
{
	AUTO_TOKENS tokens;
	AUTO_PLACE place;
	struct token *list;

	if (!change_begin(path, &place, &tokens, err))
		return false;
	if (strcmp(token->name, OWN_NAME) == 0)
		return fail(err, ERR_INVALID, "the log calls pgberth itself %s",
			    OWN_NAME);
	if (tokens_find(&tokens, token->name))
		return fail(err, ERR_ALREADY_EXISTS,
			    "token %s already exists; revoke it first", token->name);
	list = realloc(tokens.list, (tokens.count + 1) * sizeof(*list));
	if (!list)
		return fail(err, ERR_INTERNAL, "out of memory");
	tokens.list = list;
	if (!token_make(token, ret_text, err))
		return false;
	list[tokens.count++] = *token;
	return change_end(&place, &tokens, err);
}

bool token_revoke(const char *path, const char *name, size_t *ret_left, struct error *err)
{
	AUTO_TOKENS tokens;
	AUTO_PLACE place;
	struct token *token;

	if (!change_begin(path, &place, &tokens, err))
		return false;
	token = tokens_find(&tokens, name);
	if (!token)
		return fail(err, ERR_NOT_FOUND, "token %s does not exist", name);
	if (!revoked_add(&tokens, token))
		return fail(err, ERR_INTERNAL, "out of memory");
	*ret_left = --tokens.count;
	memmove(token, token + 1,
		(size_t)(tokens.list + tokens.count - token) * sizeof(*token));
	return change_end(&place, &tokens, err);
}
