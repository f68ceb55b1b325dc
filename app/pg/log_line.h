/*
 * Lines of a server's log: messages with a severity, and the lines that explain them. Pure.
 */
#ifndef PGBERTH_PG_LOG_LINE_H
#define PGBERTH_PG_LOG_LINE_H

#include <stddef.h>

/* The begin of the line that `at` is in. */
const char *log_line_start(const char *log, const char *at);

/* The severity of the line that begins at `start`, followed by its message; NULL: it has
 * none. */
const char *log_severity(const char *start);

/* The begin of the message that the line around `at` belongs to: a DETAIL, a HINT, and a
 * line that goes on belong to a line before them. */
const char *log_message_start(const char *log, const char *at);

/* The place of the words in the last message that may say why a server ends; NULL: none. */
const char *log_last_failure(const char *log, const char *words);

/* The last place of the words; NULL: none. */
const char *log_last(const char *log, const char *words);

/* Writes the message around `at` to ret, from its severity on if it has one, with its
 * DETAIL behind it. */
void log_message_tell(char *ret, size_t size, const char *log, const char *at);

#endif
