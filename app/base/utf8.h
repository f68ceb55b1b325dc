/* UTF-8 as RFC 3629 defines it: without overlong forms and surrogates. Pure. */
#ifndef PGBERTH_BASE_UTF8_H
#define PGBERTH_BASE_UTF8_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

bool utf8_is_valid(const char *text, size_t length);

/*
 * Appends a text that a server or the engine may have written, as people may see it, on a
 * terminal too: with a blank for each character that is not shown (base/unicode.h), so
 * for each end of a line, and '?' for each byte that is not UTF-8. False without memory.
 */
bool utf8_show(struct buf *ret, const char *text);

/* The same of the first line of text alone; as many of its characters as ret has room
 * for. */
void utf8_one_line(char *ret, size_t size, const char *text);

/*
 * A JSON string of text that may be cut in the middle of a character. Bytes that are not UTF-8 become '?', since jansson refuses such
 * a text. New reference; NULL when memory is missing.
 */
json_t *utf8_to_json(const char *text);

#endif
