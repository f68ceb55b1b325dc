/* Bodies and queries. */
#include "model/body.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/form.h"
#include "model/field.h"

static bool fields_known(unsigned calls, const json_t *json, const char *unknown,
			 struct error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)json, key, value)
		if (!field_named(calls, key))
			return fail_field(err, key, "%s", unknown);
	return true;
}

static bool field_read(const struct field *field, struct spec *spec, const json_t *json,
		       bool is_text, struct error *err)
{
	const json_t *value = json_object_get(json, field->name);

	if (value)
		return field_take(field, value, is_text, spec, err);
	return !(field->flags & REQUIRED) || fail_field(err, field->name, "is required");
}

/* Reads all fields even if one is wrong; the first error counts. */
static bool fields_take(struct spec *spec, unsigned calls, const json_t *json,
			bool is_text, struct error *err)
{
	struct error ignored;
	bool ok = true;

	for (const struct field *field = fields; field->name; field++)
		if ((field->calls & calls) &&
		    !field_read(field, spec, json, is_text, ok ? err : &ignored))
			ok = false;
	return ok;
}

static bool spec_fill(struct spec *ret_spec, unsigned calls, const json_t *json,
		      bool is_text, const char *unknown, struct error *err)
{
	bool known;
	struct error ignored;

	*ret_spec = (struct spec){ 0 };
	if (!fields_expect(calls, ret_spec, err))
		return false;
	known = fields_known(calls, json, unknown, err);
	return fields_take(ret_spec, calls, json, is_text, known ? err : &ignored) &&
	       known;
}

/*
 * jansson's text quotes the input near the fault, so it is never passed on. Of a
 * duplicate key it quotes that key, as written; one of our own fields is named.
 */
static const struct field *field_duplicate(const json_error_t *problem, unsigned calls)
{
	const char *near = strstr(problem->text, "near '\"");
	const char *end = near ? strrchr(near, '\'') : NULL;
	json_auto_t *key = NULL;

	if (!near || end < near + 7)
		return NULL;
	key = json_loadb(near + 6, (size_t)(end - near - 6), JSON_DECODE_ANY, NULL);
	return json_is_string(key) ? field_named(calls, json_string_value(key)) : NULL;
}

/* The field whose value ends at text + length: the last of ours that is named before. */
static const struct field *field_before(const char *text, size_t length, unsigned calls)
{
	const struct field *field = NULL;
	char name[64];

	for (size_t start = length, end = length; start-- > 0 && !field;) {
		if (text[start] != '"')
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(end - start - 1),
			 text + start + 1);
		field = field_named(calls, name);
		end = start;
	}
	return field;
}

static bool json_refuse(const json_error_t *problem, const char *body, unsigned calls,
			struct error *err)
{
	const struct field *field;

	if (errno == ENOMEM)
		return fail(err, ERR_INTERNAL, "out of memory");
	switch (json_error_code(problem)) {
	case json_error_numeric_overflow:
		field = field_before(body, (size_t)problem->position, calls);
		return field ? fail_field(err, field->name, "is too large a number")
			     : fail(err, ERR_INVALID, "a number is too large");
	case json_error_duplicate_key:
		field = field_duplicate(problem, calls);
		return field ? fail_field(err, field->name, "is given twice")
			     : fail(err, ERR_INVALID, "a key is given twice");
	default:
		return fail(err, ERR_UNREADABLE,
			    "the body is not JSON (line %d, column %d)", problem->line,
			    problem->column);
	}
}

static bool json_parse(json_t **ret_json, unsigned calls, const char *body, size_t length,
		       struct error *err)
{
	json_error_t problem;
	json_auto_t *json = NULL;

	errno = 0; /* jansson does not tell all lacks of memory apart from bad text */
	json = json_loadb(body, length,
			  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY,
			  &problem);
	if (!json)
		return json_refuse(&problem, body, calls, err);
	if (!json_is_object(json))
		return fail(err, ERR_UNREADABLE, "the body must be a JSON object");
	*ret_json = json_incref(json);
	return true;
}

/* The media type without its parameters; a charset must be UTF-8. */
static bool media_type_is(const char *content_type, const char *media_type)
{
	size_t length = strlen(media_type);
	const char *charset;

	if (strncasecmp(content_type, media_type, length) != 0 ||
	    (content_type[length] && !strchr("; \t", content_type[length])))
		return false;
	charset = strcasestr(content_type, "charset=");
	if (!charset)
		return true;
	charset += strlen("charset=");
	charset += *charset == '"';
	return strncasecmp(charset, "utf-8", 5) == 0;
}

static bool body_read(json_t **ret_json, unsigned calls, const char *content_type,
		      const char *body, size_t length, struct error *err)
{
	if (media_type_is(content_type, "application/x-www-form-urlencoded"))
		return form_parse(ret_json, body, length, field_named(calls, "labels"),
				  err);
	if (length == 0)
		return fail(err, ERR_UNREADABLE, "the body is empty");
	if (!media_type_is(content_type, "application/json"))
		return fail(err, ERR_MEDIA_TYPE,
			    "the body must be application/json or "
			    "application/x-www-form-urlencoded, in UTF-8");
	return json_parse(ret_json, calls, body, length, err);
}

bool body_parse(struct spec *ret_spec, unsigned calls, const char *content_type,
		const char *body, size_t length, struct error *err)
{
	bool is_form = media_type_is(content_type, "application/x-www-form-urlencoded");
	json_auto_t *json = NULL;

	return body_read(&json, calls, content_type, body, length, err) &&
	       spec_fill(ret_spec, calls, json, is_form, "is not a field of this call",
			 err);
}

bool query_parse(struct spec *ret_spec, unsigned calls, const char *query,
		 struct error *err)
{
	json_auto_t *json = NULL;

	return form_parse(&json, query, strlen(query), false, err) &&
	       spec_fill(ret_spec, calls, json, true, "is not a parameter of this call",
			 err);
}
