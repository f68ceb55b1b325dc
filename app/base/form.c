/* A form is pairs of names and values, with percent escapes and '+' for a space. */
#include "base/form.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

static int hex_digit(char digit)
{
	if (digit >= '0' && digit <= '9')
		return digit - '0';
	if (tolower((unsigned char)digit) >= 'a' && tolower((unsigned char)digit) <= 'f')
		return tolower((unsigned char)digit) - 'a' + 10;
	return -1;
}

static bool percent_decode(struct buf *decoded, const char *text, size_t length,
			   struct error *err)
{
	for (size_t i = 0; i < length; i++) {
		char byte = text[i] == '+' ? ' ' : text[i];

		if (byte == '%') {
			int high = i + 2 < length ? hex_digit(text[i + 1]) : -1;
			int low = i + 2 < length ? hex_digit(text[i + 2]) : -1;

			if (high < 0 || low < 0)
				return fail(
					err, ERR_UNREADABLE,
					"a %% must be followed by two hexadecimal digits");
			byte = (char)(high << 4 | low);
			i += 2;
		}
		if (!buf_append(decoded, &byte, 1))
			return fail(err, ERR_INTERNAL, "out of memory");
	}
	return true;
}

/* The object that the pair belongs to: the whole or its "labels". Borrowed; NULL: no
 * memory. */
static json_t *form_target(json_t *form, const char **key, bool labels)
{
	json_t *target;

	if (!labels || strncmp(*key, "labels.", 7) != 0)
		return form;
	*key += 7;
	target = json_object_get(form, "labels");
	if (target)
		return target;
	json_object_set_new(form, "labels", json_object());
	return json_object_get(form, "labels");
}

static bool pair_add(json_t *form, const struct buf *key, const struct buf *value,
		     bool labels, struct error *err)
{
	const char *name = buf_text(key);
	json_t *target, *text;

	if (strlen(name) != key->length)
		return fail(err, ERR_UNREADABLE, "a field name holds a NUL");
	if (!utf8_is_valid(name, key->length))
		return fail(err, ERR_UNREADABLE, "a field name is not UTF-8");
	target = form_target(form, &name, labels);
	if (!target || (labels && target == form && strcmp(name, "labels") == 0))
		return fail_field(err, "labels",
				  "must be given in a form as labels.key=value");
	if (json_object_get(target, name))
		return fail_field(err, buf_text(key), "is given twice");
	if (!utf8_is_valid(buf_text(value), value->length))
		return fail_field(err, buf_text(key), "must be UTF-8");
	text = json_stringn(buf_text(value), value->length);
	return json_object_set_new(target, name, text) == 0 ||
	       fail(err, ERR_INTERNAL, "out of memory");
}

static bool pair_parse(json_t *form, const char *pair, size_t length, bool labels,
		       struct error *err)
{
	const char *equals = memchr(pair, '=', length);
	size_t key_length = equals ? (size_t)(equals - pair) : length;
	AUTO_BUF key = { 0 };
	AUTO_BUF value = { 0 };

	if (!percent_decode(&key, pair, key_length, err))
		return false;
	if (equals && !percent_decode(&value, equals + 1, length - key_length - 1, err))
		return false;
	return pair_add(form, &key, &value, labels, err);
}

bool form_parse(json_t **ret_json, const char *text, size_t length, bool labels,
		struct error *err)
{
	json_auto_t *form = json_object();

	if (!form)
		return fail(err, ERR_INTERNAL, "out of memory");
	if (length > 0 && text[0] == '{')
		return fail(err, ERR_UNREADABLE,
			    "the body looks like JSON; if it is, send it with "
			    "Content-Type: application/json");
	while (length > 0) {
		const char *end = memchr(text, '&', length);
		size_t pair = end ? (size_t)(end - text) : length;

		if (pair > 0 && !pair_parse(form, text, pair, labels, err))
			return false;
		text += pair + (end ? 1 : 0);
		length -= pair + (end ? 1 : 0);
	}
	*ret_json = json_incref(form);
	return true;
}
