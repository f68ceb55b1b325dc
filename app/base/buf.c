/* Byte buffers that grow by copying, so that no freed memory keeps a secret. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Copies and wipes: realloc() would leave a copy of a password behind in freed memory. */
static bool buf_reserve(struct buf *buf, size_t length)
{
	size_t size = buf->allocated ? buf->allocated : 256;
	char *data;

	if (buf->max && length > buf->max)
		return false;
	if (length + 1 <= buf->allocated)
		return true;
	while (size < length + 1)
		size *= 2;
	data = malloc(size);
	if (!data)
		return false;
	if (buf->length)
		memcpy(data, buf->data, buf->length);
	if (buf->data) {
		explicit_bzero(buf->data, buf->allocated);
		free(buf->data);
	}
	buf->data = data;
	buf->allocated = size;
	return true;
}

bool buf_append(struct buf *buf, const void *data, size_t length)
{
	if (!buf_reserve(buf, buf->length + length))
		return false;
	if (length)
		memcpy(buf->data + buf->length, data, length);
	buf->length += length;
	buf->data[buf->length] = '\0';
	return true;
}

bool buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list ap;
	int length;

	va_start(ap, fmt);
	length = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (length < 0 || !buf_reserve(buf, buf->length + (size_t)length))
		return false;
	va_start(ap, fmt);
	vsnprintf(buf->data + buf->length, (size_t)length + 1, fmt, ap);
	va_end(ap);
	buf->length += (size_t)length;
	return true;
}

void buf_keep_lines(struct buf *buf, size_t max)
{
	const char *start, *line;

	if (buf->length <= max)
		return;
	start = buf->data + buf->length - max;
	if (start[-1] != '\n') {
		line = memchr(start, '\n', max - 1);
		start = line ? line + 1 : start;
	}
	buf->length = (size_t)(buf->data + buf->length - start);
	memmove(buf->data, start, buf->length + 1);
}

void buf_done(struct buf *buf)
{
	if (buf->data)
		explicit_bzero(buf->data, buf->allocated);
	free(buf->data);
	*buf = (struct buf){ .max = buf->max };
}

const char *buf_text(const struct buf *buf)
{
	return buf->data ? buf->data : "";
}

struct dumping {
	struct buf *buf;
	bool failed;
};

static int on_text(const char *text, size_t length, void *user)
{
	struct dumping *dumping = user;

	dumping->failed = dumping->failed || !buf_append(dumping->buf, text, length);
	return dumping->failed ? -1 : 0;
}

bool buf_json(struct buf *buf, const json_t *json, size_t flags)
{
	struct dumping dumping = { .buf = buf };

	return json && json_dump_callback(json, on_text, &dumping, flags) == 0 &&
	       !dumping.failed;
}
