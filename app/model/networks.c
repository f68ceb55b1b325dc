/* Sets of networks, sorted and without doubles, from strictly parsed text. */
#include "model/networks.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"

static int bits_of(const struct cidr *cidr)
{
	return cidr->family == 4 ? 32 : 128;
}

static int cidr_compare(const void *one, const void *other)
{
	return memcmp(one, other, sizeof(struct cidr));
}

static void allow_sort(struct networks *allow)
{
	int kept = 0;

	qsort(allow->list, (size_t)allow->count, sizeof(struct cidr), cidr_compare);
	for (int i = 0; i < allow->count; i++)
		if (kept == 0 ||
		    cidr_compare(&allow->list[kept - 1], &allow->list[i]) != 0)
			allow->list[kept++] = allow->list[i];
	allow->count = kept;
}

struct networks networks_everybody(void)
{
	return (struct networks){ 2, { { .family = 4 }, { .family = 6 } } };
}

bool networks_equal(const struct networks *one, const struct networks *other)
{
	return one->count == other->count &&
	       memcmp(one->list, other->list, (size_t)one->count * sizeof(struct cidr)) ==
		       0;
}

bool networks_is_everybody(const struct networks *allow)
{
	struct networks everybody = networks_everybody();

	return networks_equal(allow, &everybody);
}

/* A prefix length is 0 or digits without a leading zero. */
static bool prefix_read(struct cidr *cidr, const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (digits < 1 || digits > 3 || text[digits] || (digits > 1 && text[0] == '0') ||
	    atoi(text) > bits_of(cidr))
		return false;
	cidr->prefix = (unsigned char)atoi(text);
	return true;
}

static bool host_bits_are_zero(const struct cidr *cidr)
{
	for (int bit = cidr->prefix; bit < bits_of(cidr); bit++)
		if (cidr->address[bit / 8] & (0x80 >> bit % 8))
			return false;
	return true;
}

/* PostgreSQL compares addresses within one family, so a mapped address would match
 * nobody. */
static bool is_mapped(const struct cidr *cidr)
{
	static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

	return cidr->family == 6 && memcmp(cidr->address, mapped, sizeof(mapped)) == 0;
}

/* Reads an address or network; NULL, or the rule that it breaks. */
static const char *cidr_read(struct cidr *ret, const char *text, size_t length)
{
	char address[CIDR_TEXT_SIZE];
	char *slash;

	*ret = (struct cidr){ 0 };
	if (length >= sizeof(address) || memchr(text, '\0', length))
		return "is not an address";
	snprintf(address, sizeof(address), "%.*s", (int)length, text);
	slash = strchr(address, '/');
	if (slash)
		*slash = '\0';
	if (inet_pton(AF_INET, address, ret->address) == 1)
		ret->family = 4;
	else if (inet_pton(AF_INET6, address, ret->address) == 1)
		ret->family = 6;
	else
		return "is not an address";
	ret->prefix = (unsigned char)bits_of(ret);
	if (slash && !prefix_read(ret, slash + 1))
		return ret->family == 4 ? "must have a prefix length from 0 to 32"
					: "must have a prefix length from 0 to 128";
	if (!host_bits_are_zero(ret))
		return "has bits set beyond its prefix length: give the network's first "
		       "address";
	return is_mapped(ret) ? "must be written as an IPv4 address" : NULL;
}

static bool item_add(struct networks *allow, const char *text, size_t length,
		     const char *field, struct error *err)
{
	const char *wrong;

	if (allow->count == NETWORKS_MAX)
		return fail_field(err, field, "must hold at most %d networks",
				  NETWORKS_MAX);
	wrong = text ? cidr_read(&allow->list[allow->count], text, length)
		     : "is not a string";
	if (wrong)
		return fail_field(err, field,
				  "has an item %d that %s; items look like 192.0.2.7, "
				  "198.51.100.0/24 or 2001:db8::/32",
				  allow->count + 1, wrong);
	allow->count++;
	return true;
}

bool networks_from_json(struct networks *ret, const json_t *array, const char *field,
			struct error *err)
{
	struct networks allow = { 0 };
	const json_t *item;
	size_t i;

	if (!json_is_array(array))
		return fail_field(err, field,
				  "must be an array of addresses and "
				  "networks");
	json_array_foreach (array, i, item)
		if (!item_add(&allow, json_string_value(item), json_string_length(item),
			      field, err))
			return false;
	allow_sort(&allow);
	*ret = allow;
	return true;
}

bool networks_from_text(struct networks *ret, const char *text, size_t length,
			const char *field, struct error *err)
{
	struct networks allow = { 0 };

	while (length > 0) {
		const char *comma = memchr(text, ',', length);
		size_t item = comma ? (size_t)(comma - text) : length;

		if (!item_add(&allow, text, item, field, err))
			return false;
		if (comma && item + 1 == length)
			return fail_field(err, field, "must not end with a comma");
		text += item + (comma ? 1 : 0);
		length -= item + (comma ? 1 : 0);
	}
	allow_sort(&allow);
	*ret = allow;
	return true;
}

void networks_also(struct networks *allow, const char *address)
{
	struct cidr *added = &allow->list[allow->count];

	if (cidr_read(added, address, strlen(address)))
		return;
	allow->count++;
	allow_sort(allow);
}

void cidr_text(const struct cidr *cidr, char ret[CIDR_TEXT_SIZE])
{
	char address[INET6_ADDRSTRLEN] = "";

	inet_ntop(cidr->family == 4 ? AF_INET : AF_INET6, cidr->address, address,
		  sizeof(address));
	snprintf(ret, CIDR_TEXT_SIZE, "%s/%d", address, cidr->prefix);
}

json_t *networks_to_json(const struct networks *allow)
{
	json_t *array = json_array();
	char text[CIDR_TEXT_SIZE];

	for (int i = 0; array && i < allow->count; i++) {
		cidr_text(&allow->list[i], text);
		if (json_array_append_new(array, json_string(text)) != 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}
