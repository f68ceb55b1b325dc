/* The ranges of Unicode's categories Cc (control), Cf (format), Zl and Zp (separator). */
#include "base/unicode.h"

#include <stdlib.h>

#include "base/scope.h"

struct range {
	uint32_t first, last;
};

/* clang-format off */
static const struct range hidden[] = {
	{ 0x0, 0x1f }, { 0x7f, 0x9f }, { 0xad, 0xad }, { 0x600, 0x605 },
	{ 0x61c, 0x61c }, { 0x6dd, 0x6dd }, { 0x70f, 0x70f }, { 0x890, 0x891 },
	{ 0x8e2, 0x8e2 }, { 0x180e, 0x180e }, { 0x200b, 0x200f }, { 0x2028, 0x202e },
	{ 0x2060, 0x2064 }, { 0x2066, 0x206f }, { 0xfeff, 0xfeff }, { 0xfff9, 0xfffb },
	{ 0x110bd, 0x110bd }, { 0x110cd, 0x110cd }, { 0x13430, 0x1343f }, { 0x1bca0, 0x1bca3 },
	{ 0x1d173, 0x1d17a }, { 0xe0001, 0xe0001 }, { 0xe0020, 0xe007f },
};
/* clang-format on */

static int range_compare(const void *key, const void *member)
{
	const uint32_t *point = key;
	const struct range *range = member;

	if (*point < range->first)
		return -1;
	return *point > range->last;
}

bool unicode_is_shown(uint32_t point)
{
	return !bsearch(&point, hidden, COUNT_OF(hidden), sizeof(*hidden), range_compare);
}
