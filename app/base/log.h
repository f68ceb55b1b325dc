/*
 * Log lines in logfmt, one an event: time, level, event, key=value pairs. A line is
 * written with one write(2), and bytes that are not printable ASCII become '?', so no
 * value can forge a line. Values that others may have written go through LOG_WORD() or
 * LOG_TEXT(), so that they cannot forge keys either.
 */
#ifndef PGBERTH_BASE_LOG_H
#define PGBERTH_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

/* Lines go to the end of this file; "-": to standard error. Main thread, at start. */
bool log_open(const char *path);

/* Opens the file again, after rotation. Any thread, but not in a signal handler. */
void log_reopen(void);

/* The request id that this thread's lines carry, borrowed; NULL: none. */
const char *log_request_id(void);

/* Sets the request id that this thread's lines carry, borrowed; NULL: none. Returns the
 * one before. */
const char *log_set_request(const char *request_id);

void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A value without blanks, such as a path: blanks, quotes and unprintable bytes are
 * written as in a URL, %20. Lives until the end of its block; cut off at 255 bytes. */
#define LOG_WORD(value) log_word((char[256]){ 0 }, 256, (value))

/* A value that is a sentence, in quotes, with \" and \\ for quotes and backslashes in it,
 * and without the marks of names (base/mention.h).
 * Lives until the end of its block; an error's message fits. */
#define LOG_TEXT(value) log_text((char[840]){ 0 }, 840, (value))

/* Fill ret, which has at least 3 bytes, and return it; for the macros above. */
const char *log_word(char *ret, size_t size, const char *value);
const char *log_text(char *ret, size_t size, const char *value);

/* The descriptor that lines go to, for the crash handler. */
int log_fd(void);

#endif
