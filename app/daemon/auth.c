/* Without tokens only this machine may call, and no web page in its browsers. */
#include "daemon/auth.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/deadline.h"
#include "base/log.h"
#include "base/scope.h"
#include "daemon/auth_failures.h"
#include "daemon/token_changes.h"
#include "model/config.h"
#include "model/token_file.h"

#define RETRY_MS 1000

/* The token file as it was when last read. */
static struct {
	pthread_rwlock_t lock;
	struct tokens tokens; /* guarded by lock, as are the members below */
	struct stat file;
	bool is_unreadable, is_watched;
	long long retry_ms; /* time of the next attempt, when it is unreadable */
} table = { .lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP };

/* ---- the table ---- */

static bool is_same_file(const struct stat *one, const struct stat *other)
{
	return one->st_ino == other->st_ino && one->st_size == other->st_size &&
	       one->st_mode == other->st_mode && one->st_uid == other->st_uid &&
	       memcmp(&one->st_mtim, &other->st_mtim, sizeof(one->st_mtim)) == 0 &&
	       memcmp(&one->st_ctim, &other->st_ctim, sizeof(one->st_ctim)) == 0;
}

static void table_load(void)
{
	struct error err;

	tokens_done(&table.tokens);
	table.is_unreadable =
		!tokens_read(config()->tokens, &table.tokens, &table.file, &err);
	table.retry_ms = now_ms() + RETRY_MS;
	if (table.is_unreadable)
		log_error("tokens unreadable error=%s", LOG_TEXT(err.message));
	else
		log_info("tokens read count=%zu", table.tokens.count);
	if (!table.is_unreadable && table.is_watched)
		token_changes_tell(&table.tokens);
}

static bool table_is_fresh(const struct stat *file)
{
	return is_same_file(file, &table.file) &&
	       !(table.is_unreadable && deadline_passed(table.retry_ms));
}

/* Read-locks the table, after reading the file again if it has changed. */
static void table_hold(void)
{
	struct stat file = { 0 };

	if (lstat(config()->tokens, &file) != 0)
		file = (struct stat){ 0 };
	pthread_rwlock_rdlock(&table.lock);
	if (table_is_fresh(&file))
		return;
	pthread_rwlock_unlock(&table.lock);
	pthread_rwlock_wrlock(&table.lock);
	if (!table_is_fresh(&file))
		table_load();
	pthread_rwlock_unlock(&table.lock);
	pthread_rwlock_rdlock(&table.lock);
}

void auth_watch(void)
{
	pthread_rwlock_wrlock(&table.lock);
	table.is_watched = true;
	if (!table.is_unreadable)
		token_changes_tell(&table.tokens);
	pthread_rwlock_unlock(&table.lock);
}

void auth_refresh(void)
{
	table_hold();
	pthread_rwlock_unlock(&table.lock);
}

bool auth_init(struct error *err)
{
	table_load();
	if (config_listens_on_loopback_only(config()) || table.is_unreadable ||
	    table.tokens.count > 0)
		return true;
	return fail(err, ERR_INVALID,
		    "listen = %s is not loopback, and no token is configured; pgberth "
		    "token add makes one",
		    config()->listen);
}

/* ---- without tokens ---- */

/* "localhost" and "localhost:443" match; a port is digits. */
static bool is_loopback_host(const char *host)
{
	static const char *const hosts[] = { "localhost", "127.0.0.1", "[::1]" };

	for (size_t i = 0; i < COUNT_OF(hosts); i++) {
		size_t length = strlen(hosts[i]);
		const char *rest = host + length;

		if (strncasecmp(host, hosts[i], length) != 0)
			continue;
		if (!*rest || (*rest == ':' && rest[1] &&
			       strspn(rest + 1, "0123456789") == strlen(rest + 1)))
			return true;
	}
	return false;
}

/* The API's own origin is admitted, although it serves no pages today. */
static bool is_own_origin(const char *origin, const char *host)
{
	static const char scheme[] = "https://";

	return strncasecmp(origin, scheme, sizeof(scheme) - 1) == 0 &&
	       strcasecmp(origin + sizeof(scheme) - 1, host) == 0;
}

static bool local_check(const struct request *req, struct error *err)
{
	if (!config_is_loopback(req->remote_addr))
		return fail(
			err, ERR_FORBIDDEN,
			"calls from other machines need a token, and none is configured");
	if (!is_loopback_host(req->host))
		return fail(err, ERR_FORBIDDEN,
			    "the Host must be localhost, 127.0.0.1 or [::1]");
	if (*req->origin && !is_own_origin(req->origin, req->host))
		return fail(err, ERR_FORBIDDEN,
			    "calls from pages of another origin are refused");
	if (strcasecmp(req->sec_fetch_site, "cross-site") == 0 ||
	    strcasecmp(req->sec_fetch_site, "same-site") == 0)
		return fail(err, ERR_FORBIDDEN,
			    "calls from pages of another site are refused");
	return true;
}

/* ---- with tokens ---- */

/* The token of "Bearer <token>"; NULL when there is none. Borrowed. */
static const char *bearer(const char *authorization)
{
	static const char scheme[] = "Bearer ";

	if (strncasecmp(authorization, scheme, sizeof(scheme) - 1) != 0)
		return NULL;
	return authorization + sizeof(scheme) - 1;
}

/* All hashes are compared, so that the time does not tell which one matched. */
static const struct token *token_find(const char *text)
{
	const struct token *found = NULL;
	unsigned char hash[TOKEN_HASH_LENGTH];

	if (!token_hash(text, strlen(text), hash))
		return NULL;
	for (size_t i = 0; i < table.tokens.count; i++)
		if (CRYPTO_memcmp(table.tokens.list[i].hash, hash, sizeof(hash)) == 0)
			found = &table.tokens.list[i];
	return found && !token_is_expired(found) ? found : NULL;
}

static bool token_check(const struct request *req, struct caller *ret, struct error *err)
{
	const char *text = bearer(req->authorization);
	const struct token *token = text ? token_find(text) : NULL;

	if (!token && *req->authorization && auth_failure_is_too_many(req->remote_addr))
		return fail(err, ERR_TOO_MANY_FAILURES,
			    "too many calls from this address came with a wrong token");
	if (!token)
		return fail(
			err, ERR_UNAUTHORIZED,
			"this call needs a valid token: Authorization: Bearer <token>");
	*ret = (struct caller){ .is_known = true, .scope = token->scope };
	memcpy(ret->name, token->name, sizeof(ret->name));
	memcpy(ret->id, token->id, sizeof(ret->id));
	memcpy(ret->prefix, token->prefix, sizeof(ret->prefix));
	return true;
}

bool auth_check(const struct request *req, struct caller *ret, struct error *err)
{
	bool ok;

	*ret = (struct caller){ 0 };
	table_hold();
	if (table.is_unreadable) {
		ok = fail(err, ERR_TOKENS, "tokens cannot be read; see the log");
	} else if (table.tokens.count > 0) {
		ok = token_check(req, ret, err);
	} else {
		ok = local_check(req, err);
		ret->is_known = ok;
		ret->scope = SCOPE_ADMIN;
	}
	pthread_rwlock_unlock(&table.lock);
	return ok;
}
