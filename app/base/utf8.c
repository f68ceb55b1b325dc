/*
 * UTF-8 is checked here, although jansson checks it too: jansson reports missing memory
 * with the same error, and that must not become the client's fault.
 */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

#include "base/buf.h"

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

static bool sequence_is_valid(const unsigned char *bytes, size_t length)
{
	static const uint32_t smallest[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t point = bytes[0] & (0xff >> (length + 1));

	if (length == 1)
		return true;
	for (size_t i = 1; i < length; i++) {
		if ((bytes[i] & 0xc0) != 0x80)
			return false;
		point = point << 6 | (bytes[i] & 0x3f);
	}
	return point >= smallest[length] && point <= 0x10ffff &&
	       (point < 0xd800 || point > 0xdfff);
}

/* Length of the character that the text begins with, 0: the text is not UTF-8. */
static size_t character_length(const char *text, size_t length)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t sequence = sequence_length(bytes[0]);

	return sequence <= length && sequence > 0 && sequence_is_valid(bytes, sequence)
		       ? sequence
		       : 0;
}

bool utf8_is_valid(const char *text, size_t length)
{
	while (length > 0) {
		size_t character = character_length(text, length);

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

	for (size_t left = strlen(text); left > 0;) {
		size_t character = character_length(text, left);
		size_t taken = character ? character : 1;

		if (!buf_append(&clean, character ? text : "?", taken))
			return NULL;
		text += taken;
		left -= taken;
	}
	return json_string(buf_text(&clean));
}

void utf8_one_line(char *ret, size_t size, const char *text)
{
	size_t used = 0;

	for (; *text && *text != '\n' && used < size - 1; text++) {
		unsigned char byte = (unsigned char)*text, next = (unsigned char)text[1];
		bool is_c1 = byte == 0xc2 && next >= 0x80 && next < 0xa0;

		ret[used++] = byte < 0x20 || byte == 0x7f || is_c1 ? ' ' : *text;
		text += is_c1;
	}
	ret[used] = '\0';
}
