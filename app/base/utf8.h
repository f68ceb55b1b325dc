/* UTF-8 as RFC 3629 defines it: without overlong forms and surrogates. Pure. */
#ifndef PGBERTH_BASE_UTF8_H
#define PGBERTH_BASE_UTF8_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

bool utf8_is_valid(const char *text, size_t length);

/* The first line of text, which a server wrote, with blanks for control characters (C0,
 * DEL, C1), since people read it on terminals. A line longer than size - 1 bytes is cut. */
void utf8_one_line(char *ret, size_t size, const char *text);

/*
 * A JSON string of text that a server or the engine wrote and that may be cut in the
 * middle of a character. Bytes that are not UTF-8 become '?', since jansson refuses such
 * a text. New reference; NULL when memory is missing.
 */
json_t *utf8_to_json(const char *text);

#endif
