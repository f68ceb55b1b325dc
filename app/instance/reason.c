/* A reason is saved as text alone, which a later pgberthd must understand. */
#include "instance/reason.h"

#include <stdio.h>
#include <string.h>

#include "base/scope.h"

#define BETWEEN "; "

static const struct {
	enum pg_outcome outcome;
	const char *begin;
} shut[] = {
	{ PG_FULL, "it admits nobody more: " },
	{ PG_NO_TLS, "it admits nobody by TLS: " },
	{ PG_REFUSED, "the server does not let pgberth in" }, /* a proof alone tells it */
};

/* Events, which a proof does not undo. */
static const char *const lasting[] = {
	"it went down by itself and was restarted",
	"its container was restarted outside pgberth",
	"started without its settings",
	"kept what its data demand",
	"out of memory (",
	"the admin role could not log in: did ",
	"the database postgres ",
	"the prepared transaction '",
};

static bool begins(const char *text, const char *begin)
{
	return strncmp(text, begin, strlen(begin)) == 0;
}

/* Where a sentence that begins so stands last; NULL: nowhere. */
static char *sentence_of(char *reason, const char *begin)
{
	for (char *at = reason; (at = strstr(at, begin)); at++)
		if (at == reason || (at - reason >= (long)strlen(BETWEEN) &&
				     begins(at - strlen(BETWEEN), BETWEEN)))
			return at;
	return NULL;
}

/* What follows such a sentence belongs to it. */
static void sentence_cut(char *reason, const char *begin)
{
	char *at = sentence_of(reason, begin);

	if (at)
		at[at == reason ? 0 : -(long)strlen(BETWEEN)] = '\0';
}

static bool is_lasting(const char *reason)
{
	for (size_t i = 0; i < COUNT_OF(lasting); i++)
		if (begins(reason, lasting[i]))
			return true;
	return false;
}

/* The first sentences, which are the oldest, go until so much more has room. */
static void sentences_drop(char *reason, size_t size, size_t length)
{
	while (*reason && strlen(reason) + strlen(BETWEEN) + length >= size) {
		const char *next = strstr(reason, BETWEEN);

		if (next)
			memmove(reason, next + strlen(BETWEEN),
				strlen(next + strlen(BETWEEN)) + 1);
		else
			*reason = '\0';
	}
}

static void sentence_add(struct record *record, const char *sentence, size_t length)
{
	size_t used;

	sentences_drop(record->reason, sizeof(record->reason), length);
	used = strlen(record->reason);
	snprintf(record->reason + used, sizeof(record->reason) - used, "%s%.*s",
		 used ? BETWEEN : "", (int)length, sentence);
}

/* Takes such a sentence out where it stands alone. */
static void sentence_remove(char *reason, const char *sentence)
{
	char *at = sentence_of(reason, sentence);
	char *end = at ? at + strlen(sentence) : NULL;

	if (end && begins(end, BETWEEN))
		memmove(at, end + strlen(BETWEEN), strlen(end + strlen(BETWEEN)) + 1);
	else if (end && !*end)
		at[at == reason ? 0 : -(long)strlen(BETWEEN)] = '\0';
}

/* Adds the sentences of a note. One that is there already becomes the newest. */
static void note_add(struct record *record, const char *note)
{
	while (*note) {
		const char *end = strstr(note, BETWEEN);
		size_t length = end ? (size_t)(end - note) : strlen(note);
		char sentence[sizeof(record->reason)];

		snprintf(sentence, sizeof(sentence), "%.*s", (int)length, note);
		sentence_remove(record->reason, sentence);
		sentence_add(record, sentence, strlen(sentence));
		note += length + (end ? strlen(BETWEEN) : 0);
	}
}

bool reason_prove(struct record *record, const char *note, bool ran)
{
	char before[sizeof(record->reason)];

	memcpy(before, record->reason, sizeof(before));
	for (size_t i = 0; i < COUNT_OF(shut); i++)
		sentence_cut(record->reason, shut[i].begin);
	if (!ran && !is_lasting(record->reason))
		record->reason[0] = '\0';
	note_add(record, note);
	return strcmp(before, record->reason) != 0;
}

void reason_shut(char ret[REASON_SHUT_SIZE], enum pg_outcome outcome, const char *why)
{
	ret[0] = '\0';
	for (size_t i = 0; i < COUNT_OF(shut); i++)
		if (shut[i].outcome == outcome && outcome != PG_REFUSED)
			snprintf(ret, REASON_SHUT_SIZE, "%s%.280s", shut[i].begin, why);
}

bool reason_admit(struct record *record, enum pg_outcome outcome, const char *why)
{
	char sentence[REASON_SHUT_SIZE];
	bool changed = false;

	reason_shut(sentence, outcome, why);
	for (size_t i = 0; i < COUNT_OF(shut); i++) {
		if (shut[i].outcome == PG_REFUSED ||
		    !sentence_of(record->reason, shut[i].begin))
			continue;
		if (begins(sentence, shut[i].begin))
			return false; /* its words may differ each time */
		sentence_cut(record->reason, shut[i].begin);
		changed = true;
	}
	if (!*sentence)
		return changed;
	sentence_add(record, sentence, strlen(sentence));
	return true;
}

bool reason_says_shut(const char *reason)
{
	return strstr(reason, shut[0].begin) || strstr(reason, shut[1].begin);
}
