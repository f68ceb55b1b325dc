/* Whether bytes are UTF-8 as RFC 3629 has it: nothing overlong, no surrogates. Pure. */
#ifndef PGBERTH_UTF8_H
#define PGBERTH_UTF8_H

#include <stdbool.h>
#include <stddef.h>

bool utf8_is_valid(const char *text, size_t length);

#endif
