/* A mark and the name behind it are read as one word. */
#include "base/mention.h"

#include <stdio.h>
#include <string.h>

#define NAME_CHARACTERS                                                                  \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"

static bool name_show(struct buf *ret, const char *text, size_t length,
		      bool (*sees)(const char *name))
{
	char name[64];

	snprintf(name, sizeof(name), "%.*s", (int)length, text);
	return buf_printf(ret, "%s", sees(name) ? name : "another instance");
}

bool mention_show(struct buf *ret, const char *text, bool (*sees)(const char *name))
{
	while (*text) {
		size_t plain = strcspn(text, (char[]){ MENTION_MARK, '\0' }), length;

		if (!buf_append(ret, text, plain))
			return false;
		text += plain;
		if (!*text)
			break;
		length = strspn(++text, NAME_CHARACTERS);
		if (!name_show(ret, text, length, sees))
			return false;
		text += length;
	}
	return true;
}
