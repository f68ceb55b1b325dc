/*
 * One line an event, in logfmt: time, level, what, key=value. A line is written with
 * one write(2); what is not printable ASCII becomes '?', so no value can forge a line.
 */
#ifndef PGBERTH_LOG_H
#define PGBERTH_LOG_H

#include <stdbool.h>

/* "-" logs to standard error; else the file is appended to. Main thread, at start. */
bool log_open(const char *path);

/* Opens the file anew, after rotation. Any thread; async-signal-safe it is not. */
void log_reopen(void);

/* Lines that this thread logs carry the request's id; NULL ends that. Borrowed. */
void log_set_request(const char *request_id);

void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The descriptor that lines go to, for the crash handler. */
int log_fd(void);

#endif
