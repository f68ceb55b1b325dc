/* A growing run of bytes with a cap, always ended by a NUL that is not counted. */
#ifndef PGBERTH_BASE_BUF_H
#define PGBERTH_BASE_BUF_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
	char *data; /* NULL until the first byte */
	size_t length;
	size_t allocated;
	size_t max; /* 0: memory is the only cap */
};

/* Appends; false, with buf as it was, when the cap is reached or memory is missing. */
bool buf_append(struct buf *buf, const void *data, size_t length);
bool buf_printf(struct buf *buf, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Keeps the last whole lines that fit into max bytes; of one longer line, its end. */
void buf_keep_lines(struct buf *buf, size_t max);

/* Overwrites the bytes (they may be secret) and frees them. */
void buf_done(struct buf *buf);

/* Text of buf, "" when it is empty; borrowed. */
const char *buf_text(const struct buf *buf);

#define AUTO_BUF __attribute__((cleanup(buf_done))) struct buf

/*
 * Appends the text of json (flags: json_dumps(3)); false when memory is missing or json
 * is NULL: the content of buf is then undefined. json_dumps() is not used, since without
 * memory it leaves keys out and still reports success (2.14).
 */
bool buf_json(struct buf *buf, const json_t *json, size_t flags);

#endif
