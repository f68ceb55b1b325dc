/* Version 0.2 refuses a member that it does not know, so none may be added. */
#include "model/token.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/scope.h"

#define FORMAT 1

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

struct token *tokens_find(const struct tokens *tokens, const char *name)
{
	for (size_t i = 0; i < tokens->count; i++)
		if (strcmp(tokens->list[i].name, name) == 0)
			return &tokens->list[i];
	return NULL;
}

const struct token *token_find_id(const struct token *list, size_t count, const char *id)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i].id, id) == 0)
			return &list[i];
	return NULL;
}

bool token_make(struct token *token, char ret_text[TOKEN_SIZE], struct error *err)
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

bool tokens_from_json(struct tokens *ret, const json_t *json)
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

json_t *token_list_to_json(const struct token *list, size_t count)
{
	json_t *json = json_array();

	for (size_t i = 0; i < count; i++)
		if (json_array_append_new(json, token_to_json(&list[i])) != 0) {
			json_decref(json);
			return NULL;
		}
	return json_pack("{s:i s:o}", "format", FORMAT, "tokens", json);
}
