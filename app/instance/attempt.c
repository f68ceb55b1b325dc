/* Sentences of a note are divided by semicolons. */
#include "instance/attempt.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void attempt_note(struct attempt *attempt, const char *fmt, ...)
{
	size_t used = strlen(attempt->note), size = sizeof(attempt->note);
	va_list ap;

	if (used && used + 2 < size) {
		memcpy(attempt->note + used, "; ", 3);
		used += 2;
	}
	va_start(ap, fmt);
	vsnprintf(attempt->note + used, size - used, fmt, ap);
	va_end(ap);
}
