/* Kinds of fields: one row of functions each. */
#include "model/kind.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "model/labels.h"
#include "model/networks.h"
#include "model/record.h"

/* A string without a NUL, or NULL. */
static const char *plain_text(const json_t *value)
{
	const char *text = json_string_value(value);

	return text && strlen(text) == json_string_length(value) ? text : NULL;
}

static bool text_read(const struct field *field, const struct range *range,
		      const json_t *value, bool is_text, void *member, struct error *err)
{
	size_t length = json_string_length(value), max = field->size - 1;

	(void)is_text;
	if (!json_is_string(value))
		return fail_field(err, field->name, "must be a string");
	if ((double)length < range->min || length > max)
		return range->min > 0 ? fail_field(err, field->name,
						   "must be %.0f to %zu bytes long",
						   range->min, max)
				      : fail_field(err, field->name,
						   "must be at most %zu bytes long", max);
	if (!plain_text(value))
		return fail_field(err, field->name, "must not hold a NUL");
	memcpy(member, json_string_value(value), length + 1);
	return true;
}

static bool name_read(const struct field *field, const struct range *range,
		      const json_t *value, bool is_text, void *member, struct error *err)
{
	const char *name = plain_text(value);

	(void)is_text;
	if (!json_is_string(value))
		return fail_field(err, field->name, "must be a string");
	if (!name || !(name_is_valid(name) || (range->min == 0 && !*name)))
		return fail_field(err, field->name,
				  "must be 1 to 63 of A-Z a-z 0-9 _ . - and begin with a "
				  "letter or digit");
	snprintf(member, field->size, "%s", name);
	return true;
}

static void number_set(const struct field *field, double number, void *member)
{
	if (field->kind == NUMBER)
		*(double *)member = number;
	else if (field->kind == TIME)
		*(long long *)member = (long long)number;
	else
		*(int *)member = (int)number;
}

static double number_get(const struct field *field, const void *member)
{
	if (field->kind == NUMBER)
		return *(const double *)member;
	if (field->kind == TIME)
		return (double)*(const long long *)member;
	return *(const int *)member;
}

static bool number_in_range(const struct field *field, const struct range *range,
			    double number, struct error *err)
{
	return (number >= range->min && number <= range->max) ||
	       fail_field(err, field->name, "must be between %.15g and %.15g", range->min,
			  range->max);
}

/* Text of a number: 0 or digits without a leading zero, maybe a fraction. */
static bool number_from_text(const json_t *value, bool fraction, double *ret_number)
{
	const char *text = json_string_value(value);
	size_t digits = strspn(text, "0123456789");
	size_t used = digits;

	if (digits == 0 || digits > 15 || (digits > 1 && text[0] == '0'))
		return false;
	if (fraction && text[used] == '.') {
		size_t decimals = strspn(text + used + 1, "0123456789");

		if (decimals == 0)
			return false;
		used += 1 + decimals;
	}
	if (used != json_string_length(value))
		return false;
	*ret_number = strtod(text, NULL);
	return true;
}

static bool number_from_json(const json_t *value, bool fraction, double *ret_number)
{
	*ret_number = json_number_value(value);
	return json_is_integer(value) || (fraction && json_is_real(value));
}

static bool number_read(const struct field *field, const struct range *range,
			const json_t *value, bool is_text, void *member,
			struct error *err)
{
	bool fraction = field->kind == NUMBER;
	double number = 0;

	if (is_text && json_is_string(value)
		    ? !number_from_text(value, fraction, &number)
		    : !number_from_json(value, fraction, &number))
		return fail_field(err, field->name, "must be %s",
				  fraction ? "a number" : "a whole number");
	if (!number_in_range(field, range, number, err))
		return false;
	number_set(field, number, member);
	return true;
}

static bool switch_read(const struct field *field, const struct range *range,
			const json_t *value, bool is_text, void *member,
			struct error *err)
{
	const char *text = is_text ? plain_text(value) : NULL;

	(void)range;
	if (text && (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
		*(bool *)member = strcmp(text, "true") == 0;
	else if (json_is_boolean(value))
		*(bool *)member = json_is_true(value);
	else
		return fail_field(err, field->name, "must be true or false");
	return true;
}

static bool choice_read(const struct field *field, const struct range *range,
			const json_t *value, bool is_text, void *member,
			struct error *err)
{
	const char *name = plain_text(value);
	char list[100] = "";

	(void)range;
	(void)is_text;
	for (int i = 0; field->choices[i]; i++) {
		size_t used = strlen(list);

		if (name && strcmp(name, field->choices[i]) == 0) {
			memcpy(member, &i, sizeof(i));
			return true;
		}
		snprintf(list + used, sizeof(list) - used, "%s%s", i > 0 ? " or " : "",
			 field->choices[i]);
	}
	return fail_field(err, field->name, "must be %s", list);
}

static bool labels_read(const struct field *field, const struct range *range,
			const json_t *value, bool is_text, void *member,
			struct error *err)
{
	json_t *labels;

	(void)range;
	(void)is_text;
	if (!labels_check(value, field->name, err))
		return false;
	labels = json_deep_copy(value);
	if (!labels)
		return fail(err, ERR_INTERNAL, "out of memory");
	json_decref(*(json_t **)member);
	*(json_t **)member = labels;
	return true;
}

static bool networks_read(const struct field *field, const struct range *range,
			  const json_t *value, bool is_text, void *member,
			  struct error *err)
{
	(void)range;
	if (is_text && json_is_string(value))
		return networks_from_text(member, json_string_value(value),
					  json_string_length(value), field->name, err);
	return networks_from_json(member, value, field->name, err);
}

static json_t *text_to_json(const void *member)
{
	return utf8_to_json(member);
}

static json_t *integer_to_json(const void *member)
{
	return json_integer(*(const int *)member);
}

static json_t *number_to_json(const void *member)
{
	double number = *(const double *)member;

	return number == floor(number) ? json_integer((json_int_t)number)
				       : json_real(number);
}

static json_t *time_to_json(const void *member)
{
	return json_integer(*(const long long *)member);
}

static json_t *switch_to_json(const void *member)
{
	return json_boolean(*(const bool *)member);
}

static json_t *labels_to_json(const void *member)
{
	return json_deep_copy(*(json_t *const *)member);
}

static json_t *allow_to_json(const void *member)
{
	return networks_to_json(member);
}

static const struct {
	bool (*read)(const struct field *field, const struct range *range,
		     const json_t *value, bool is_text, void *member, struct error *err);
	json_t *(*to_json)(const void *member); /* NULL: by its choices */
} kinds[] = {
	[NAME] = { name_read, text_to_json },
	[TEXT] = { text_read, text_to_json },
	[INTEGER] = { number_read, integer_to_json },
	[NUMBER] = { number_read, number_to_json },
	[TIME] = { number_read, time_to_json },
	[SWITCH] = { switch_read, switch_to_json },
	[CHOICE] = { choice_read, NULL },
	[LABELS] = { labels_read, labels_to_json },
	[NETWORKS] = { networks_read, allow_to_json },
};

bool kind_read(const struct field *field, const struct range *range, const json_t *value,
	       bool is_text, void *member, struct error *err)
{
	return kinds[field->kind].read(field, range, value, is_text, member, err);
}

json_t *kind_to_json(const struct field *field, const void *member)
{
	if (field->kind == CHOICE)
		return json_string(field->choices[*(const int *)member]);
	return kinds[field->kind].to_json(member);
}

bool kind_in_range(const struct field *field, const struct range *range,
		   const void *member, struct error *err)
{
	return number_in_range(field, range, number_get(field, member), err);
}

bool kind_default(const struct field *field, double value, void *member,
		  struct error *err)
{
	switch (field->kind) {
	case NAME:
	case TEXT:
		snprintf(member, field->size, "%s", field->text ? field->text : "");
		return true;
	case INTEGER:
	case CHOICE:
	case NUMBER:
	case TIME:
		number_set(field, value, member);
		return true;
	case SWITCH:
		*(bool *)member = value != 0;
		return true;
	case NETWORKS:
		*(struct networks *)member = networks_everybody();
		return true;
	case LABELS:
		break;
	}
	*(json_t **)member = json_object();
	return *(json_t **)member || fail(err, ERR_INTERNAL, "out of memory");
}

bool kind_equal(const struct field *field, const void *one, const void *other)
{
	switch (field->kind) {
	case NAME:
	case TEXT:
		return strcmp(one, other) == 0;
	case LABELS:
		return json_equal(*(json_t *const *)one, *(json_t *const *)other);
	case NETWORKS:
		return networks_equal(one, other);
	default:
		return memcmp(one, other, field->size) == 0;
	}
}

void kind_copy(const struct field *field, void *member, const void *other)
{
	if (field->kind == LABELS) {
		json_incref(*(json_t *const *)other);
		json_decref(*(json_t **)member);
	}
	memcpy(member, other, field->size);
}
