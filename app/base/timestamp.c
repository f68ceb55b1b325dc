/* Points in time as text. */
#include "base/timestamp.h"

#include <stdio.h>
#include <string.h>

#define FORMAT "%Y-%m-%dT%H:%M:%S"

void timestamp_write(char ret[TIMESTAMP_SIZE], time_t when)
{
	struct tm utc;

	gmtime_r(&when, &utc);
	strftime(ret, TIMESTAMP_SIZE, FORMAT "Z", &utc);
}

void timestamp_now(char ret[TIMESTAMP_SIZE])
{
	struct timespec now;
	struct tm utc;
	size_t used;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	used = strftime(ret, TIMESTAMP_SIZE, FORMAT, &utc);
	snprintf(ret + used, TIMESTAMP_SIZE - used, ".%09ldZ", now.tv_nsec);
}

time_t timestamp_read(const char *text)
{
	struct tm utc = { 0 };
	const char *end = strptime(text, FORMAT, &utc);

	return end && strchr("Z.", *end) && *end ? timegm(&utc) : 0;
}
