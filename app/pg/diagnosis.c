/* Meanings of PostgreSQL's messages are rows of one table. */
#include "pg/diagnosis.h"

#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "base/utf8.h"
#include "model/field.h"

#define LINE_SIZE 120

/* The first row that fits wins, so causes come before their symptoms. */
static const struct {
	const char *words;
	const char *sentence; /* %s: the line */
} meanings[] = {
	{ "No space left on device", "its disk is full: %s" },
	{ "Disk quota exceeded", "its disk quota is used up: %s" },
	{ "Input/output error", "the host's disk below its own fails, or is full: %s" },
	{ "valid checkpoint record", "its data are damaged: %s" },
	{ "required checkpoint record", "its data are damaged: %s" },
	{ "checkpoint record", "its data are damaged: %s" },
	{ "incorrect checksum in control file", "its data are damaged: %s" },
	{ "control file", "its data are damaged: %s" },
	{ "invalid page in block", "its data are damaged: %s" },
	{ "could not access status of transaction", "its data are damaged: %s" },
	{ "could not read file", "its data are damaged: %s" },
	{ "could not open directory", "its data are damaged: %s" },
	{ "not a valid data directory", "its data are damaged: %s" },
	{ "PANIC:", "its data are damaged: %s" },
	{ "could not map anonymous shared memory",
	  "its settings ask for too much memory: %s" },
	{ "io_uring", "its settings ask for io_uring, which is not allowed: %s" },
	{ "configuration file", "its settings keep it from starting: %s" },
	{ "configuration parameter", "its settings keep it from starting: %s" },
	{ "invalid value for parameter", "its settings keep it from starting: %s" },
	{ "could not access file", "its settings keep it from starting: %s" },
	{ "could not load library", "its settings keep it from starting: %s" },
};

#define SETTINGS "; start it with {\"safe\": true}"

/* The line around `at`, from its severity on if it has one. */
static void line_around(char *ret, size_t size, const char *log, const char *at)
{
	static const char *const severities[] = { "PANIC:", "FATAL:", "ERROR:", "LOG:" };
	const char *start = at;

	while (start > log && start[-1] != '\n')
		start--;
	for (size_t i = 0; i < COUNT_OF(severities); i++) {
		const char *found = strstr(start, severities[i]);

		if (found && found < start + strcspn(start, "\n")) {
			start = found;
			break;
		}
	}
	utf8_one_line(ret, size, start);
}

static const char *last_of(const char *log, const char *words)
{
	const char *found = NULL;

	for (const char *at = log; (at = strstr(at, words)); at++)
		found = at;
	return found;
}

void diagnosis_line(char *ret, size_t size, const char *log)
{
	static const char *const severities[] = { "PANIC:", "FATAL:", "ERROR:" };
	const char *found = NULL;

	ret[0] = '\0';
	for (size_t i = 0; i < COUNT_OF(severities) && !found; i++)
		found = last_of(log, severities[i]);
	if (found)
		line_around(ret, size, log, found);
}

/* The part of the log since the server last started. */
static const char *since_start(const char *own)
{
	const char *start = last_of(own, "starting PostgreSQL");

	return start ? start : own;
}

/* Routine lines ("shutting down") are no failure, so a log without one means nothing. */
static bool meaning_find(char ret[DIAGNOSIS_SIZE], const char *log)
{
	char line[LINE_SIZE];

	if (!strstr(log, "FATAL:") && !strstr(log, "PANIC:"))
		return false;
	for (size_t i = 0; i < COUNT_OF(meanings); i++) {
		const char *at = last_of(log, meanings[i].words);

		if (!at)
			continue;
		line_around(line, sizeof(line), log, at);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(ret, DIAGNOSIS_SIZE, meanings[i].sentence, line);
#pragma GCC diagnostic pop
		if (strncmp(ret, "its settings", 12) == 0)
			strncat(ret, SETTINGS, DIAGNOSIS_SIZE - strlen(ret) - 1);
		return true;
	}
	return false;
}

void diagnosis_tell(char ret[DIAGNOSIS_SIZE], const struct container *container,
		    const struct record *record, bool is_full, const char *said,
		    const char *own)
{
	char line[LINE_SIZE];

	if (container->oom_killed) {
		snprintf(ret, DIAGNOSIS_SIZE,
			 "out of memory: its limit is %d MB; raise memory_mb",
			 field_limits(record).memory_mb);
		return;
	}
	if (is_full) {
		snprintf(ret, DIAGNOSIS_SIZE,
			 "its disk (disk_mb) of %d MB is full; raise disk_mb",
			 record->disk_mb);
		return;
	}
	if (meaning_find(ret, said) || meaning_find(ret, since_start(own)))
		return;
	diagnosis_line(line, sizeof(line), said);
	if (!*line)
		diagnosis_line(line, sizeof(line), since_start(own));
	snprintf(ret, DIAGNOSIS_SIZE, "the server ended with exit code %d%s%s",
		 container->exit_code, *line ? ": " : "", line);
}
