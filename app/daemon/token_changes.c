/* Told first, then kept: a line that a crash cuts off comes again, rather than never. */
#include "daemon/token_changes.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/audit.h"
#include "base/log.h"
#include "base/scope.h"
#include "model/config.h"
#include "model/token_file.h"

/* Only root can write the file, by pgberth or by hand. */
static void tell(const char *action, const struct token *token, const char *fields)
{
	audit(&(struct audit){ .who = "root",
			       .token = token->id,
			       .action = action,
			       .name = token->name,
			       .fields = fields });
}

/* Names of the members in which two differ, with commas between. */
static const char *differences(const struct token *one, const struct token *other,
			       char ret[64])
{
	const struct {
		const char *name;
		bool differs;
	} members[] = {
		{ "name", strcmp(one->name, other->name) != 0 },
		{ "scope", one->scope != other->scope },
		{ "prefix", strcmp(one->prefix, other->prefix) != 0 },
		{ "created_at", one->created_at != other->created_at },
		{ "expires_at", one->expires_at != other->expires_at },
	};

	ret[0] = '\0';
	for (size_t i = 0; i < COUNT_OF(members); i++)
		if (members[i].differs)
			snprintf(ret + strlen(ret), 64 - strlen(ret), "%s%s",
				 *ret ? "," : "", members[i].name);
	return ret;
}

/* old NULL: the token is new. */
static bool tell_present(const struct token *old, const struct token *token)
{
	const struct token none = { .scope = (enum token_scope) - 1 };
	char fields[64];

	differences(token, old ? old : &none, fields);
	if (*fields)
		tell(old ? "token_update" : "token_add", token, fields);
	return *fields;
}

/* Tokens that came and went between two looks are told of, too. */
static bool tell_revoked(const struct tokens *seen, const struct tokens *now)
{
	bool told = false;

	for (size_t i = 0; i < now->revoked_count; i++) {
		const struct token *token = &now->revoked[i];

		if (token_find_id(seen->list, seen->count, token->id) ||
		    token_find_id(seen->revoked, seen->revoked_count, token->id))
			continue;
		tell_present(NULL, token);
		tell("token_revoke", token, "");
		told = true;
	}
	return told;
}

static bool tell_all(const struct tokens *seen, const struct tokens *now)
{
	bool told = tell_revoked(seen, now);

	for (size_t i = 0; i < seen->count; i++)
		if (!token_find_id(now->list, now->count, seen->list[i].id)) {
			tell("token_revoke", &seen->list[i], "");
			told = true;
		}
	for (size_t i = 0; i < now->count; i++)
		told = tell_present(
			       token_find_id(seen->list, seen->count, now->list[i].id),
			       &now->list[i]) ||
		       told;
	return told;
}

void token_changes_tell(const struct tokens *tokens)
{
	/* The request that happens to find a change has nothing to do with it. */
	const char *request = log_set_request(NULL);
	char path[PATH_MAX];
	AUTO_TOKENS seen = { 0 };
	struct stat ignored;
	struct error err;

	snprintf(path, sizeof(path), "%s/tokens.seen", config()->root);
	if (!tokens_read(path, &seen, &ignored, &err))
		log_warn("tokens seen before are unknown error=%s",
			 LOG_TEXT(err.message));
	if (tell_all(&seen, tokens) && !tokens_write(path, tokens, &err))
		log_warn("tokens seen not kept error=%s", LOG_TEXT(err.message));
	log_set_request(request);
}
