/* Meanings of PostgreSQL's messages are rows of one table. */
#include "pg/diagnosis.h"

#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "base/utf8.h"
#include "model/field.h"
#include "pg/log_line.h"

#define LINE_SIZE 240
#define LAST_SIZE 160
#define CAUSE_SIZE 110	/* where another line follows */
#define SIGNAL_BASE 128 /* an exit code above it is a signal's number and this */
#define SAFE "start it with {\"safe\": true}"
#define FULL "its disk is full: %s"
#define DAMAGED "its data are damaged: %s"
#define MEMORY "its settings ask for too much memory: %s" BY_SETTINGS
#define SETTINGS "its settings keep it from starting: %s" BY_SETTINGS
#define BY_SETTINGS "; " SAFE /* not for a start that was safe */
#define ALSO_SAFE "without its own settings it does not start either: %s"

/* The first row that fits wins, so causes come before their symptoms. */
static const struct {
	const char *words;
	const char *sentence; /* %s: the line */
} meanings[] = {
	{ "could not resize shared memory segment",
	  "its shared memory, half of memory_mb, is used up: %s" },
	{ "No space left on device", FULL },
	{ "Disk quota exceeded", "its disk quota is used up: %s" },
	{ "Input/output error", "the host's disk below its own fails, or is full: %s" },
	{ "valid checkpoint record", DAMAGED },
	{ "required checkpoint record", DAMAGED },
	{ "checkpoint record", DAMAGED },
	{ "incorrect checksum in control file", DAMAGED },
	{ "control file", DAMAGED },
	{ "invalid page in block", DAMAGED },
	{ "could not access status of transaction", DAMAGED },
	{ "could not read file", DAMAGED },
	{ "could not open directory", DAMAGED },
	{ "could not open file \"base/", DAMAGED },
	{ "could not open file \"global/", DAMAGED },
	{ "not a valid data directory", DAMAGED },
	{ "maximum number of prepared transactions", SETTINGS },
	{ "max_replication_slots", SETTINGS },
	{ "max_active_replication_origins", SETTINGS },
	{ "PANIC:", DAMAGED },
	{ "could not map anonymous shared memory", MEMORY },
	{ "io_uring", "its settings ask for io_uring, which is not allowed: %s; " SAFE },
	{ "configuration file", SETTINGS },
	{ "configuration parameter", SETTINGS },
	{ "invalid value for parameter", SETTINGS },
	{ "could not access file", SETTINGS },
	{ "could not load library", SETTINGS },
	{ "wal_level", SETTINGS },
	{ "recovery target", SETTINGS },
	{ "recovery_target", SETTINGS },
	{ "insufficient parameter settings", SETTINGS },
	{ "certificate", SETTINGS },
	{ "cipher", SETTINGS },
	{ "SSL", SETTINGS },
	{ "DH parameters", SETTINGS },
	{ "must be less than", SETTINGS },
};

void diagnosis_line(char *ret, size_t size, const char *log)
{
	static const char *const severities[] = { "PANIC:", "FATAL:", "ERROR:" };
	const char *found = NULL;

	ret[0] = '\0';
	for (size_t i = 0; i < COUNT_OF(severities) && !found; i++)
		found = log_last_failure(log, severities[i]);
	if (found)
		log_message_tell(ret, size, log, found);
}

/* The log of the run that ended: of the last one, or of the one before, if the server
 * has been started again since. */
static const char *log_of_run(const struct ending *ending)
{
	static const char first[] = "starting PostgreSQL";
	const char *last = log_last(ending->own, first), *before = NULL;

	if (!last)
		return ending->own;
	if (ending->at_start)
		return last;
	for (const char *at = ending->own; (at = strstr(at, first)) && at < last; at++)
		before = at;
	return before ? before : ending->own;
}

/* PostgreSQL logs which setting is wrong, and ends for the file that it is in. */
static void line_with_cause(char *ret, size_t size, const char *log, const char *at)
{
	const char *start = log_message_start(log, at), *cause = start;
	char line[LINE_SIZE];

	log_message_tell(line, sizeof(line), log, at);
	while (cause > log && (!log_severity(cause) || cause == start))
		cause = log_line_start(log, cause - 1);
	cause = strstr(line, "contains errors") ? log_severity(cause) : NULL;
	if (!cause || strncmp(cause, "LOG:", 4) != 0) {
		snprintf(ret, size, "%s", line);
		return;
	}
	cause += strlen("LOG:");
	utf8_one_line(ret, CAUSE_SIZE, cause + strspn(cause, " "));
	snprintf(ret + strlen(ret), size - strlen(ret), " (%.*s)", CAUSE_SIZE, line);
}

/* The last line, if it has no severity, as errors of the first moments have none:
 * "postgres: superuser_reserved_connections (3) … must be less than …". "": it has one. */
static void line_last(char *ret, size_t size, const char *said)
{
	const char *end = said + strlen(said), *start;

	ret[0] = '\0';
	while (end > said && end[-1] == '\n')
		end--;
	start = log_line_start(said, end);
	if (end > start && !log_severity(start) &&
	    log_message_start(said, start) == start)
		utf8_one_line(ret, size, start);
}

/* Advice that was followed is no advice. */
static void meaning_write(char ret[DIAGNOSIS_SIZE], const char *sentence,
			  const char *line, bool is_safe)
{
	if (is_safe && strstr(sentence, BY_SETTINGS))
		sentence = ALSO_SAFE;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	snprintf(ret, DIAGNOSIS_SIZE, sentence, line);
#pragma GCC diagnostic pop
}

/* Routine lines ("shutting down") are no failure, so a log without one means nothing. */
static bool meaning_find(char ret[DIAGNOSIS_SIZE], const char *log, bool is_safe)
{
	char line[LINE_SIZE];

	line_last(line, sizeof(line), log);
	if (!*line && !log_last_failure(log, "FATAL:") &&
	    !log_last_failure(log, "PANIC:"))
		return false;
	for (size_t i = 0; i < COUNT_OF(meanings); i++) {
		const char *at = log_last_failure(log, meanings[i].words);

		if (!at)
			continue;
		line_with_cause(line, sizeof(line), log, at);
		meaning_write(ret, meanings[i].sentence, line, is_safe);
		return true;
	}
	return false;
}

void diagnosis_exit(char ret[EXIT_TEXT_SIZE], int exit_code)
{
	int number = exit_code - SIGNAL_BASE;
	const char *name = number > 0 ? sigabbrev_np(number) : NULL;

	if (exit_code == EXIT_UNKNOWN)
		snprintf(ret, EXIT_TEXT_SIZE, "an unknown exit code");
	else if (name)
		snprintf(ret, EXIT_TEXT_SIZE, "exit code %d, by signal %d (SIG%s)",
			 exit_code, number, name);
	else
		snprintf(ret, EXIT_TEXT_SIZE, "exit code %d", exit_code);
}

bool diagnosis_exit_learn(char *text, size_t size, int exit_code)
{
	char known[EXIT_TEXT_SIZE], unknown[EXIT_TEXT_SIZE];
	AUTO_FREE char *rest = NULL;
	char *at;

	diagnosis_exit(unknown, EXIT_UNKNOWN);
	diagnosis_exit(known, exit_code);
	at = strstr(text, unknown);
	rest = at ? strdup(at + strlen(unknown)) : NULL;
	if (!rest)
		return false;
	snprintf(at, size - (size_t)(at - text), "%s%s", known, rest);
	return true;
}

/* Without a row that fits: how it ended, and its last words. */
static void ending_tell(char ret[DIAGNOSIS_SIZE], const struct ending *ending,
			const char *run)
{
	bool is_own_end = ending->exit_code <= SIGNAL_BASE;
	char exit_text[EXIT_TEXT_SIZE], line[LAST_SIZE];

	diagnosis_exit(exit_text, ending->exit_code);
	diagnosis_line(line, sizeof(line), ending->said);
	if (!*line)
		line_last(line, sizeof(line), ending->said);
	if (!*line)
		diagnosis_line(line, sizeof(line), run);
	snprintf(ret, DIAGNOSIS_SIZE, "the server ended with %s%s%s%s", exit_text,
		 *line ? ": " : "", line,
		 ending->at_start && ending->has_settings && !ending->is_safe &&
				 is_own_end
			 ? "; if its settings are the cause, " SAFE
			 : "");
}

void diagnosis_full(char ret[DIAGNOSIS_SIZE], const struct record *record,
		    enum fullness full)
{
	if (full == OWN_DISK_FULL)
		snprintf(ret, DIAGNOSIS_SIZE,
			 "its disk (disk_mb) of %d MB is full; raise disk_mb, or delete "
			 "data",
			 record->disk_mb);
	else
		snprintf(ret, DIAGNOSIS_SIZE,
			 "the disk of the host is full; its operator must make room");
}

bool diagnosis_says_full(const char *reason)
{
	return strstr(reason, "is full") != NULL;
}

bool diagnosis_find(char ret[DIAGNOSIS_SIZE], const struct ending *ending)
{
	return meaning_find(ret, ending->said, ending->is_safe) ||
	       meaning_find(ret, log_of_run(ending), ending->is_safe);
}

void diagnosis_tell(char ret[DIAGNOSIS_SIZE], const struct ending *ending)
{
	const char *run = log_of_run(ending);

	if (ending->out_of_memory)
		snprintf(ret, DIAGNOSIS_SIZE,
			 "out of memory: its limit is %d MB; raise memory_mb%s",
			 field_limits(ending->record).memory_mb,
			 ending->at_start && ending->has_settings && !ending->is_safe
				 ? ", or, if its settings ask for more, " SAFE
				 : "");
	else if (ending->full != HAS_ROOM)
		diagnosis_full(ret, ending->record, ending->full);
	else if (!diagnosis_find(ret, ending))
		ending_tell(ret, ending, run);
}
