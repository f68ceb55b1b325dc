/*
 * One line an event, in logfmt: time, level, what, key=value. A line is written with
 * one write(2); what is not printable ASCII becomes '?', so no value can forge a line.
 * What others may have written goes through LOG_WORD() or LOG_TEXT(), so that it cannot
 * look like keys and values of ours either.
 */
#ifndef PGBERTH_BASE_LOG_H
#define PGBERTH_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

/* "-" logs to standard error; else the file is appended to. Main thread, at start. */
bool log_open(const char *path);

/* Opens the file anew, after rotation. Any thread; async-signal-safe it is not. */
void log_reopen(void);

/* Lines that this thread logs carry the request's id; NULL ends that. Borrowed. */
void log_set_request(const char *request_id);

void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A value without blanks, such as a path: what is neither plain nor printable is as in a URL,
 * %20. Lives as long as the block that it is in; cut off at 255 bytes. */
#define LOG_WORD(value) log_word((char[256]){ 0 }, 256, (value))

/* A value that is a sentence, in quotes; within, \" and \\. Lives as LOG_WORD() does; one of
 * an error fits. */
#define LOG_TEXT(value) log_text((char[840]){ 0 }, 840, (value))

/* The two by hand: fill ret, at least 3 bytes, and return it. */
const char *log_word(char *ret, size_t size, const char *value);
const char *log_text(char *ret, size_t size, const char *value);

/* The descriptor that lines go to, for the crash handler. */
int log_fd(void);

#endif
