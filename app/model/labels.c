/* Labels, checked. */
#include "model/labels.h"

#include <string.h>

#define LABELS_MAX 16

static bool label_check(const char *key, const json_t *value, const char *field,
			struct error *err)
{
	size_t length = strlen(key);

	if (length < 1 || length > LABEL_KEY_MAX ||
	    strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789._-") != length)
		return fail_field(err, field,
				  "must have keys that are 1 to %d of a-z 0-9 . _ -",
				  LABEL_KEY_MAX);
	if (strncmp(key, "pgberth", 7) == 0)
		return fail_field(err, field,
				  "must not have a key that begins with pgberth");
	if (!json_is_string(value) || json_string_length(value) > LABEL_VALUE_MAX ||
	    strlen(json_string_value(value)) != json_string_length(value))
		return fail_field(err, field,
				  "must have values that are strings of at most %d bytes "
				  "without a NUL",
				  LABEL_VALUE_MAX);
	return true;
}

bool labels_check(const json_t *value, const char *field, struct error *err)
{
	const char *key;
	json_t *label;

	if (!json_is_object(value))
		return fail_field(err, field, "must be an object of strings");
	if (json_object_size(value) > LABELS_MAX)
		return fail_field(err, field, "must be at most %d", LABELS_MAX);
	json_object_foreach ((json_t *)value, key, label)
		if (!label_check(key, label, field, err))
			return false;
	return true;
}

bool labels_have(const json_t *labels, const char *label)
{
	size_t length = strcspn(label, "=");
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)labels, key, value)
		if (strlen(key) == length && strncmp(key, label, length) == 0)
			return json_is_string(value) && label[length] == '=' &&
			       strcmp(json_string_value(value), label + length + 1) == 0;
	return false;
}
