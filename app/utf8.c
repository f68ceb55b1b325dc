/*
 * RFC 3629. jansson checks it too, but says the same when it has no memory, and that
 * must not become the client's fault.
 */
#include "utf8.h"

#include <stdint.h>

/* Bytes of the sequence that a byte begins, 0: it begins none. */
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

bool utf8_is_valid(const char *text, size_t length)
{
	const unsigned char *bytes = (const unsigned char *)text;

	for (size_t at = 0; at < length;) {
		size_t sequence = sequence_length(bytes[at]);

		if (sequence == 0 || sequence > length - at ||
		    !sequence_is_valid(bytes + at, sequence))
			return false;
		at += sequence;
	}
	return true;
}
