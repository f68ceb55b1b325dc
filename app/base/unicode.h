/* Characters that are safe to show to people. Pure. */
#ifndef PGBERTH_BASE_UNICODE_H
#define PGBERTH_BASE_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

/* False for characters that a terminal obeys, that change the order of those around them,
 * that end a line, or that nobody sees. */
bool unicode_is_shown(uint32_t point);

#endif
