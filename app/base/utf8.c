/*
 * UTF-8 is checked here, although jansson checks it too: jansson reports missing memory
 * with the same error, and that must not become the client's fault.
 */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"
#include "base/unicode.h"

/* Length of the sequence that this byte begins, 0: none. */
static size_t sequence_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

static bool sequence_is_valid(const unsigned char *bytes, size_t length,
			      uint32_t *ret_point)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t point = length == 1 ? bytes[0] : bytes[0] & (0xff >> (length + 1));

	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return false;
		point = point << 6 | (bytes[i] & 0x3f);
	}
	*ret_point = point;
	return point >= smallest[length] && point <= 0x10ffff &&
	       (point < 0xd800 || point > 0xdfff);
}

/* Length of the character that the text begins with, 0: the text is not UTF-8. */
static size_t character_read(const char *text, size_t length, uint32_t *ret_point)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t sequence = sequence_length(bytes[0]);

	return sequence <= length && sequence > 0 &&
			       sequence_is_valid(bytes, sequence, ret_point)
		       ? sequence
		       : 0;
}

bool utf8_is_valid(const char *text, size_t length)
{
	uint32_t ignored;

	while (length > 0) {
		size_t character = character_read(text, length, &ignored);

		if (character == 0)
			return false;
		text += character;
		length -= character;
	}
	return true;
}

json_t *utf8_to_json(const char *text)
{
	AUTO_BUF clean = { 0 };
	uint32_t ignored;

	for (size_t left = strlen(text); left > 0;) {
		size_t character = character_read(text, left, &ignored);
		size_t taken = character ? character : 1;

		if (!buf_append(&clean, character ? text : "?", taken))
			return NULL;
		text += taken;
		left -= taken;
	}
	return json_string(buf_text(&clean));
}

/* The character that a text begins with as it is shown, and its length in the text. */
struct shown {
	const char *bytes;
	size_t length, taken;
};

static struct shown shown_first(const char *text)
{
	uint32_t point;
	size_t character = character_read(text, strnlen(text, 4), &point);

	if (!character)
		return (struct shown){ "?", 1, 1 };
	if (!unicode_is_shown(point))
		return (struct shown){ " ", 1, character };
	return (struct shown){ text, character, character };
}

bool utf8_show(struct buf *ret, const char *text)
{
	while (*text) {
		struct shown shown = shown_first(text);

		if (!buf_append(ret, shown.bytes, shown.length))
			return false;
		text += shown.taken;
	}
	return true;
}

void utf8_one_line(char *ret, size_t size, const char *text)
{
	size_t used = 0;

	while (*text && *text != '\n') {
		struct shown shown = shown_first(text);

		if (used + shown.length >= size)
			break;
		memcpy(ret + used, shown.bytes, shown.length);
		used += shown.length;
		text += shown.taken;
	}
	ret[used] = '\0';
}
