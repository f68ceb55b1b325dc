/* UTF-8 as RFC 3629 has it: nothing overlong, no surrogates. Pure. */
#ifndef PGBERTH_BASE_UTF8_H
#define PGBERTH_BASE_UTF8_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

bool utf8_is_valid(const char *text, size_t length);

/* The first line of a server's own words, without control characters (C0, DEL, C1): they
 * end up on terminals. What has no room is cut. */
void utf8_one_line(char *ret, size_t size, const char *text);

/*
 * Text of others (a server's last words, the engine's), perhaps cut in the middle of a
 * character, as a JSON string: what is no UTF-8 in it becomes '?', for jansson makes no
 * string of it at all. New reference; NULL without memory.
 */
json_t *utf8_to_json(const char *text);

#endif
