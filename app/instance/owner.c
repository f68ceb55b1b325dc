/* Ids are compared; names are for people. */
#include "instance/owner.h"

#include <string.h>

#include "base/timestamp.h"
#include "model/caller.h"

static void owner_set(struct record *record, const char *name, const char *id)
{
	snprintf(record->owner, sizeof(record->owner), "%s", name);
	snprintf(record->owner_id, sizeof(record->owner_id), "%s", id);
}

void owner_take(struct record *record)
{
	const struct caller *caller = caller_current();

	owner_set(record, caller ? caller->name : "", caller ? caller->id : "");
}

void owner_clear(struct record *record)
{
	owner_set(record, "", "");
}

/* A name without an id is of a version before, and was not settled. */
static bool is_unsettled(const struct record *record)
{
	return *record->owner && !*record->owner_id;
}

bool owner_is_same(const struct record *one, const struct record *other)
{
	return !is_unsettled(one) && !is_unsettled(other) &&
	       strcmp(one->owner_id, other->owner_id) == 0;
}

void owner_settle(struct record *record, const struct tokens *tokens)
{
	const struct token *token = tokens_find(tokens, record->owner);

	if (!is_unsettled(record))
		return;
	if (token && token->created_at <= timestamp_read(record->created_at))
		owner_set(record, token->name, token->id);
	else
		owner_clear(record);
}
