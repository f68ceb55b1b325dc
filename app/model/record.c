/* Records are plain structs; only labels are on the heap. */
#include "model/record.h"

#include <string.h>
#include <time.h>

const char *const wanted_names[] = {
	[WANTED_RUNNING] = "running",
	[WANTED_STOPPED] = "stopped",
	[WANTED_STORED] = "stored",
	NULL,
};

const char *const tls_names[] = {
	[TLS_OFFERED] = "offered",
	[TLS_REQUIRED] = "required",
	NULL,
};

struct record record_copy(const struct record *record)
{
	struct record copy = *record;

	copy.labels = json_deep_copy(record->labels);
	return copy;
}

void record_done(struct record *record)
{
	json_decref(record->labels);
	record->labels = NULL;
}

bool name_is_valid_to(const char *name, size_t length_max)
{
	static const char characters[] = "_.-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t length = strlen(name);

	return length >= 1 && length <= length_max && strchr(characters + 3, name[0]) &&
	       strspn(name, characters) == length;
}

bool name_is_valid(const char *name)
{
	return name_is_valid_to(name, NAME_MAX_LENGTH);
}

void record_keep_uid(struct record *record, const struct record *later)
{
	record->uid = later->uid;
	record->uid_was = later->uid_was;
}

bool record_has_uid(const struct record *record, unsigned uid)
{
	return uid == (unsigned)record->uid ||
	       (record->uid_was && uid == (unsigned)record->uid_was);
}

void record_want(struct record *record, enum wanted wanted)
{
	if (wanted == WANTED_RUNNING)
		record->stopped_at = 0;
	else if (!record->stopped_at)
		record->stopped_at = time(NULL);
	record->wanted = wanted;
	record->outside_since_ms = 0;
}
