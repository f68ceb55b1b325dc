/* The token file: only whole and valid files are read, changes replace it atomically. */
#include "model/token.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/files.h"
#include "base/scope.h"

#define FORMAT 1
#define FILE_MAX (1024 * 1024)
#define OWN_NAME "pgberthd"
#define REVOKED_MAX 64

static const char *const scope_names[] = { "read", "write", "admin" };

const char *scope_name(enum token_scope scope)
{
	return scope_names[scope];
}

bool scope_from_name(enum token_scope *ret, const char *name)
{
	for (size_t i = 0; i < COUNT_OF(scope_names); i++)
		if (strcmp(name, scope_names[i]) == 0) {
			*ret = (enum token_scope)i;
			return true;
		}
	return false;
}

void tokens_done(struct tokens *tokens)
{
	free(tokens->list);
	free(tokens->revoked);
	*tokens = (struct tokens){ 0 };
}

bool token_is_expired(const struct token *token)
{
	return token->expires_at && token->expires_at <= time(NULL);
}

bool token_hash(const char *text, size_t length, unsigned char ret[TOKEN_HASH_LENGTH])
{
	return EVP_Digest(text, length, ret, NULL, EVP_sha256(), NULL) == 1;
}

static void hex_from_bytes(char *hex, const unsigned char *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		snprintf(hex + 2 * i, 3, "%02x", bytes[i]);
}

static bool id_from_hash(char ret[TOKEN_ID_SIZE], const unsigned char *hash)
{
	unsigned char again[TOKEN_HASH_LENGTH];

	if (!token_hash((const char *)hash, TOKEN_HASH_LENGTH, again))
		return false;
	hex_from_bytes(ret, again, TOKEN_ID_SIZE / 2);
	return true;
}

/* ---- JSON ---- */

static bool hash_from_hex(unsigned char *hash, const char *hex)
{
	if (strlen(hex) != 2 * TOKEN_HASH_LENGTH ||
	    strspn(hex, "0123456789abcdef") != 2 * TOKEN_HASH_LENGTH)
		return false;
	for (size_t i = 0; i < TOKEN_HASH_LENGTH; i++) {
		const char pair[] = { hex[2 * i], hex[2 * i + 1], '\0' };

		hash[i] = (unsigned char)strtoul(pair, NULL, 16);
	}
	return true;
}

static json_t *token_to_json(const struct token *token)
{
	char hash[2 * TOKEN_HASH_LENGTH + 1];

	hex_from_bytes(hash, token->hash, TOKEN_HASH_LENGTH);
	return json_pack("{s:s s:s s:s s:I s:I s:s}", "name", token->name, "scope",
			 scope_name(token->scope), "prefix", token->prefix, "created_at",
			 (json_int_t)token->created_at, "expires_at",
			 (json_int_t)token->expires_at, "sha256", hash);
}

static bool token_from_json(struct token *ret, const json_t *json)
{
	const char *name, *scope, *prefix, *hash;
	json_int_t created_at, expires_at;

	if (json_unpack((json_t *)json, "{s:s s:s s:s s:I s:I s:s !}", "name", &name,
			"scope", &scope, "prefix", &prefix, "created_at", &created_at,
			"expires_at", &expires_at, "sha256", &hash) != 0 ||
	    !name_is_valid(name) || (*prefix && !name_is_valid(prefix)) ||
	    !scope_from_name(&ret->scope, scope) || !hash_from_hex(ret->hash, hash) ||
	    !id_from_hash(ret->id, ret->hash))
		return false;
	snprintf(ret->name, sizeof(ret->name), "%s", name);
	snprintf(ret->prefix, sizeof(ret->prefix), "%s", prefix);
	ret->created_at = created_at;
	ret->expires_at = expires_at;
	return true;
}

static bool list_from_json(struct token **ret, size_t *ret_count, const json_t *json)
{
	size_t count = json_array_size(json);

	*ret = calloc(count + 1, sizeof(**ret));
	for (size_t i = 0; *ret && i < count; i++, ++*ret_count)
		if (!token_from_json(&(*ret)[i], json_array_get(json, i)))
			return false;
	return *ret;
}

static bool tokens_from_json(struct tokens *ret, const json_t *json)
{
	json_t *list, *revoked = NULL;
	int format;

	return json_unpack((json_t *)json, "{s:i s:o s?o !}", "format", &format, "tokens",
			   &list, "revoked", &revoked) == 0 &&
	       format == FORMAT && json_is_array(list) &&
	       (!revoked || json_is_array(revoked)) &&
	       list_from_json(&ret->list, &ret->count, list) &&
	       list_from_json(&ret->revoked, &ret->revoked_count, revoked);
}

static json_t *list_to_json(const struct token *list, size_t count)
{
	json_t *json = json_array();

	for (size_t i = 0; i < count; i++)
		if (json_array_append_new(json, token_to_json(&list[i])) != 0) {
			json_decref(json);
			return NULL;
		}
	return json;
}

static json_t *tokens_to_json(const struct tokens *tokens)
{
	return json_pack("{s:i s:o s:o}", "format", FORMAT, "tokens",
			 list_to_json(tokens->list, tokens->count), "revoked",
			 list_to_json(tokens->revoked, tokens->revoked_count));
}

/* ---- the file ---- */

/* A file by its directory, opened, and its name there. */
struct place {
	int dir;
	char name[NAME_MAX + 1];
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
	if (!slash || strlen(path) >= sizeof(directory)) {
		errno = ENAMETOOLONG;
		return false;
	}
	snprintf(ret->name, sizeof(ret->name), "%s", slash + 1);
	snprintf(directory, sizeof(directory), "%.*s/", (int)(slash - path), path);
	ret->dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return ret->dir >= 0;
}

static bool is_private(const struct stat *stat)
{
	return S_ISREG(stat->st_mode) && !(stat->st_mode & 077) &&
	       (stat->st_uid == 0 || stat->st_uid == geteuid());
}

static bool text_read(const struct place *place, struct buf *ret, struct stat *ret_stat,
		      struct error *err)
{
	if (fstatat(place->dir, place->name, ret_stat, AT_SYMLINK_NOFOLLOW) != 0)
		return fail_errno(err, "cannot read the status of the file");
	if (!is_private(ret_stat))
		return fail(err, ERR_TOKENS,
			    "the file must belong to root and have mode 0600");
	return files_read(place->dir, place->name, FILE_MAX, ret, err);
}

static bool tokens_read_at(const struct place *place, struct tokens *ret,
			   struct stat *ret_stat, struct error *err)
{
	AUTO_BUF text = { 0 };
	json_t *json;
	bool ok;

	*ret = (struct tokens){ 0 };
	if (!text_read(place, &text, ret_stat, err))
		return false;
	json = json_loadb(buf_text(&text), text.length, JSON_REJECT_DUPLICATES, NULL);
	ok = tokens_from_json(ret, json);
	json_decref(json);
	if (!ok)
		tokens_done(ret);
	return ok || fail(err, ERR_TOKENS, "the file is not in pgberth's format");
}

static bool is_missing(const struct place *place)
{
	return faccessat(place->dir, place->name, F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
	       errno == ENOENT;
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
	if (is_missing(&place))
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
	if (is_missing(ret_place))
		return true;
	return tokens_read_at(ret_place, ret, &ignored, err) || tokens_fail(path, err);
}

static bool change_end(const struct place *place, const struct tokens *tokens,
		       struct error *err)
{
	json_t *json = tokens_to_json(tokens);
	AUTO_BUF text = { 0 };
	bool ok = json && buf_json(&text, json, JSON_INDENT(1)) &&
		  buf_append(&text, "\n", 1);

	json_decref(json);
	if (!ok)
		return fail(err, ERR_INTERNAL, "out of memory");
	return files_replace(place->dir, place->name, buf_text(&text), text.length,
			     (int)geteuid(), (int)getegid(), 0600, err);
}

bool tokens_write(const char *path, const struct tokens *tokens, struct error *err)
{
	AUTO_PLACE place;

	if (!place_open(&place, path))
		return fail_errno(err, "cannot open the directory of %s", path);
	return change_end(&place, tokens, err);
}

struct token *tokens_find(const struct tokens *tokens, const char *name)
{
	for (size_t i = 0; i < tokens->count; i++)
		if (strcmp(tokens->list[i].name, name) == 0)
			return &tokens->list[i];
	return NULL;
}

static bool token_make(struct token *token, char ret_text[TOKEN_SIZE], struct error *err)
{
	unsigned char secret[32];

	if (getrandom(secret, sizeof(secret), 0) != sizeof(secret))
		return fail_errno(err, "cannot get random bytes");
	memcpy(ret_text, TOKEN_MARK, sizeof(TOKEN_MARK));
	hex_from_bytes(ret_text + strlen(TOKEN_MARK), secret, sizeof(secret));
	explicit_bzero(secret, sizeof(secret));
	token->created_at = time(NULL);
	return (token_hash(ret_text, TOKEN_SIZE - 1, token->hash) &&
		id_from_hash(token->id, token->hash)) ||
	       fail(err, ERR_INTERNAL, "cannot compute SHA-256");
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
