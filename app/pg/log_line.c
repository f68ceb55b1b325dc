/* Formats: log_line_prefix of our configuration, and errors of the first moments, which
 * have neither prefix nor severity ("Error Reporting and Logging" of the manual). */
#include "pg/log_line.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "base/utf8.h"

#define DETAIL "DETAIL:"
#define MESSAGE_SIZE 110 /* where a detail follows */

/* Ends of sessions and workers, and logins refused, which end no server. */
static const char *const routine[] = { "terminating ", "canceling ",
				       "the database system " };
static const char *const severities[] = { "PANIC:", "FATAL:", "ERROR:", "LOG:" };
static const char *const additions[] = { DETAIL,   "HINT:",	"CONTEXT:",  "STATEMENT:",
					 "QUERY:", "LOCATION:", "BACKTRACE:" };

const char *log_line_start(const char *log, const char *at)
{
	while (at > log && at[-1] != '\n')
		at--;
	return at;
}

/* The first of the words that stands in the line; NULL: none does. */
static const char *first_in_line(const char *start, const char *const words[],
				 size_t count)
{
	size_t length = strcspn(start, "\n");
	const char *first = NULL;

	for (size_t i = 0; i < count; i++) {
		const char *found = memmem(start, length, words[i], strlen(words[i]));

		if (found && (!first || found < first))
			first = found;
	}
	return first;
}

/* Either may stand in the text of the other. */
static const char *addition_in(const char *start)
{
	const char *addition = first_in_line(start, additions, COUNT_OF(additions));
	const char *severity = first_in_line(start, severities, COUNT_OF(severities));

	return addition && (!severity || addition < severity) ? addition : NULL;
}

const char *log_severity(const char *start)
{
	return addition_in(start)
		       ? NULL
		       : first_in_line(start, severities, COUNT_OF(severities));
}

const char *log_message_start(const char *log, const char *at)
{
	const char *start = log_line_start(log, at);

	while (start > log && (*start == '\t' || addition_in(start)))
		start = log_line_start(log, start - 1);
	return start;
}

/* A line of a session begins with user@database (log_line_prefix). A panic is everybody's. */
static bool is_routine(const char *start, const char *severity)
{
	const char *message = severity + strcspn(severity, " ");

	if (strncmp(severity, "PANIC:", 6) == 0)
		return false;
	if (memchr(start, '@', (size_t)(severity - start)))
		return true;
	message += strspn(message, " ");
	for (size_t i = 0; i < COUNT_OF(routine); i++)
		if (strncmp(message, routine[i], strlen(routine[i])) == 0)
			return true;
	return false;
}

const char *log_last(const char *log, const char *words)
{
	const char *found = NULL;

	for (const char *at = log; (at = strstr(at, words)); at++)
		found = at;
	return found;
}

/* Once for each line, since a tenant may fill one with the words. */
const char *log_last_failure(const char *log, const char *words)
{
	const char *found = NULL;

	for (const char *at = log; (at = strstr(at, words)); at += strcspn(at, "\n")) {
		const char *start = log_message_start(log, at);
		const char *severity = log_severity(start);

		if (!severity || !is_routine(start, severity))
			found = at;
	}
	return found;
}

/* The detail of the message that begins at `start`; NULL: it has none. */
static const char *detail_of(const char *start)
{
	const char *found = NULL;

	for (const char *at = strchr(start, '\n'); at && !found; at = strchr(at, '\n')) {
		at++;
		if (*at != '\t' && !addition_in(at))
			return NULL;
		found = addition_in(at);
	}
	return found && strncmp(found, DETAIL, strlen(DETAIL)) == 0
		       ? found + strlen(DETAIL)
		       : NULL;
}

void log_message_tell(char *ret, size_t size, const char *log, const char *at)
{
	const char *start = log_message_start(log, at);
	const char *severity = log_severity(start), *detail = detail_of(start);
	char more[MESSAGE_SIZE];

	utf8_one_line(ret, detail && size > MESSAGE_SIZE ? MESSAGE_SIZE : size,
		      severity ? severity : start);
	if (!detail)
		return;
	utf8_one_line(more, sizeof(more), detail + strspn(detail, " "));
	snprintf(ret + strlen(ret), size - strlen(ret), " (%s)", more);
}
