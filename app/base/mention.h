/*
 * Names of servers in a text that not every reader may know: an error, or the reason of a
 * state. Each is marked where the text is made, and shown or left out for each reader
 * where the text is answered. The log shows all. Pure; any thread.
 */
#ifndef PGBERTH_BASE_MENTION_H
#define PGBERTH_BASE_MENTION_H

#include <stdbool.h>

#include "base/buf.h"

/* The mark, a byte that no such text holds otherwise. The name ends with the first byte
 * that names cannot have, so that a text that was cut off reads well too. */
#define MENTION_MARK '\1'

/* The name of a server in a format: "held by " MENTION ", …". */
#define MENTION "\1%s"

/* Appends the text without its marks, and without the names that sees() is false for.
 * False without memory. */
bool mention_show(struct buf *ret, const char *text, bool (*sees)(const char *name));

#endif
