/* Points in time as text, as records, answers and the engine have them: UTC, by ISO 8601. Any thread. */
#ifndef PGBERTH_BASE_TIMESTAMP_H
#define PGBERTH_BASE_TIMESTAMP_H

#include <time.h>

#define TIMESTAMP_SIZE 32

/* 2026-11-28T15:04:05Z */
void timestamp_write(char ret[TIMESTAMP_SIZE], time_t when);

/* The time now to the nanosecond, as the engine writes it: 2026-11-28T15:04:05.123456789Z.
 * Later times compare as greater texts. */
void timestamp_now(char ret[TIMESTAMP_SIZE]);

/* Seconds since 1970 of such a text, whose fraction of a second is left out. 0: it is none. */
time_t timestamp_read(const char *text);

#endif
