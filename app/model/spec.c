/* The validator: rows of fields, one parser per kind. */
#include "model/spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/form.h"
#include "base/scope.h"

#define FIELD(name, kind, required, given, member)                                       \
	{                                                                                \
		name, kind, required, given, offsetof(struct spec, member)               \
	}
#define PORT FIELD("port", INTEGER, false, GIVEN_PORT, port)
#define ADMIN_PASSWORD                                                                   \
	FIELD("admin_password", PASSWORD, true, GIVEN_PASSWORD, admin_password)
#define MEMORY_MB FIELD("memory_mb", INTEGER, false, GIVEN_MEMORY, memory_mb)
#define CPUS FIELD("cpus", NUMBER, false, GIVEN_CPUS, cpus)
#define DISK_MB FIELD("disk_mb", INTEGER, false, GIVEN_DISK, disk_mb)
#define EXPIRES_IN FIELD("expires_in", INTEGER, false, GIVEN_EXPIRES, expires_in_s)
#define EXPIRE_PURGE FIELD("expire_purge", SWITCH, false, GIVEN_PURGE, expire_purge)
#define LABEL_SET FIELD("labels", LABELS, false, GIVEN_LABELS, labels)
#define ALLOW FIELD("allow", NETWORKS, false, GIVEN_ALLOW, allow)
#define TLS_CHOICE FIELD("tls", TLS, false, GIVEN_TLS, tls)

const struct field create_fields[] = {
	FIELD("storage_dir", NAME, true, GIVEN_STORAGE_DIR, storage_dir),
	ADMIN_PASSWORD,
	PORT,
	FIELD("version", INTEGER, false, GIVEN_VERSION, version),
	MEMORY_MB,
	CPUS,
	DISK_MB,
	LABEL_SET,
	EXPIRES_IN,
	EXPIRE_PURGE,
	ALLOW,
	TLS_CHOICE,
	{ .name = NULL },
};
const struct field change_fields[] = {
	PORT,	    MEMORY_MB,	  CPUS,	 DISK_MB,    LABEL_SET,
	EXPIRES_IN, EXPIRE_PURGE, ALLOW, TLS_CHOICE, { .name = NULL },
};
const struct field password_fields[] = { ADMIN_PASSWORD, { .name = NULL } };
const struct field start_fields[] = { PORT,
				      FIELD("safe", SWITCH, false, GIVEN_SAFE, safe),
				      { .name = NULL } };
const struct field purge_fields[] = {
	FIELD("stopped_days", INTEGER, true, GIVEN_DAYS, stopped_days),
	FIELD("dry_run", SWITCH, false, GIVEN_DRY, dry_run),
	{ .name = NULL },
};
const struct field no_fields[] = { { .name = NULL } };

/* Range of a numeric field. Constant after start. */
static struct range {
	enum given given;
	double min, max;
} ranges[] = {
	{ GIVEN_PORT, 6000, 9999 },
	{ GIVEN_VERSION, 1, 99 },
	{ GIVEN_MEMORY, 128, 128 },
	{ GIVEN_CPUS, 0.1, 1 },
	{ GIVEN_DISK, DISK_MIN_MB, DISK_MIN_MB },
	{ GIVEN_EXPIRES, 0, 315360000 }, /* ten years */
	{ GIVEN_DAYS, 0, 36500 },
};
static const struct config *config;

static struct range *range_of(enum given given)
{
	for (size_t i = 0; i < COUNT_OF(ranges); i++)
		if (ranges[i].given == given)
			return &ranges[i];
	abort();
}

void spec_set_limits(const struct config *cfg)
{
	config = cfg;
	range_of(GIVEN_PORT)->min = cfg->port_min;
	range_of(GIVEN_PORT)->max = cfg->port_max;
	range_of(GIVEN_MEMORY)->max = cfg->host_memory_mb;
	range_of(GIVEN_CPUS)->max = cfg->host_cpus;
	range_of(GIVEN_DISK)->max = cfg->host_disk_mb;
}

static bool name_parse(const struct field *field, const json_t *value, struct spec *spec,
		       struct error *err)
{
	const char *name = json_string_value(value);

	if (!name)
		return fail_field(err, field->name, "must be a string");
	if (strlen(name) != json_string_length(value) || !name_is_valid(name))
		return fail_field(err, field->name,
				  "must be 1 to 63 of A-Z a-z 0-9 _ . - and begin with a "
				  "letter or digit");
	snprintf(spec->storage_dir, sizeof(spec->storage_dir), "%s", name);
	return true;
}

static bool password_parse(const struct field *field, const json_t *value,
			   struct spec *spec, struct error *err)
{
	const char *password = json_string_value(value);
	size_t length = json_string_length(value);

	if (!password)
		return fail_field(err, field->name, "must be a string");
	if (length < 1 || length > PASSWORD_MAX)
		return fail_field(err, field->name, "must be 1 to %d bytes long",
				  PASSWORD_MAX);
	if (memchr(password, '\0', length))
		return fail_field(err, field->name, "must not hold a NUL");
	memcpy(spec->admin_password, password, length + 1);
	return true;
}

/* What a form sends is text: 0 or digits without a leading zero, maybe a fraction. */
static bool number_from_text(const char *text, size_t length, bool fraction,
			     double *ret_number)
{
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
	if (used != length)
		return false;
	*ret_number = strtod(text, NULL);
	return true;
}

static bool number_read(const struct field *field, const json_t *value, bool form,
			double *ret_number, struct error *err)
{
	bool fraction = field->kind == NUMBER;
	const char *what = fraction ? "a number" : "a whole number";

	if (form && json_is_string(value)) {
		if (!number_from_text(json_string_value(value), json_string_length(value),
				      fraction, ret_number))
			return fail_field(err, field->name, "must be %s", what);
		return true;
	}
	if (!json_is_integer(value) && !(fraction && json_is_real(value)))
		return fail_field(err, field->name, "must be %s", what);
	*ret_number = json_number_value(value);
	return true;
}

static bool version_check(const struct field *field, int version, struct error *err)
{
	if (!config_has_version(config, version))
		return fail_field(err, field->name, "must be one of: %s",
				  config->versions);
	return true;
}

static bool number_parse(const struct field *field, const json_t *value, bool form,
			 struct spec *spec, struct error *err)
{
	const struct range *range = range_of(field->given);
	void *member = (char *)spec + field->offset;
	double number = 0;

	if (!number_read(field, value, form, &number, err))
		return false;
	if (!(number >= range->min && number <= range->max))
		return fail_field(err, field->name, "must be between %.10g and %.10g",
				  range->min, range->max);
	if (field->kind == NUMBER) {
		*(double *)member = number;
		return true;
	}
	*(int *)member = (int)number;
	return field->given != GIVEN_VERSION || version_check(field, (int)number, err);
}

static bool switch_parse(const struct field *field, const json_t *value, bool form,
			 struct spec *spec, struct error *err)
{
	bool *member = (bool *)((char *)spec + field->offset);
	const char *text = form ? json_string_value(value) : NULL;

	if (text && json_string_length(value) == strlen(text) &&
	    (strcmp(text, "true") == 0 || strcmp(text, "false") == 0))
		*member = strcmp(text, "true") == 0;
	else if (json_is_boolean(value))
		*member = json_is_true(value);
	else
		return fail_field(err, field->name, "must be true or false");
	return true;
}

static bool label_check(const char *key, const json_t *value, struct error *err)
{
	size_t length = strlen(key);

	if (length < 1 || length > 63 ||
	    strspn(key, "abcdefghijklmnopqrstuvwxyz0123456789._-") != length)
		return fail_field(err, "labels",
				  "a label's key must be 1 to 63 of a-z 0-9 . _ -");
	if (strncmp(key, "pgberth", 7) == 0)
		return fail_field(err, "labels",
				  "a label's key must not begin with pgberth");
	if (!json_is_string(value) || json_string_length(value) > 255 ||
	    strlen(json_string_value(value)) != json_string_length(value))
		return fail_field(err, "labels",
				  "a label's value must be a string of at most 255 bytes "
				  "without a NUL");
	return true;
}

static bool labels_parse(const struct field *field, const json_t *value,
			 struct spec *spec, struct error *err)
{
	const char *key;
	json_t *label;

	if (!json_is_object(value))
		return fail_field(err, field->name, "must be an object of strings");
	if (json_object_size(value) > 16)
		return fail_field(err, field->name, "must hold at most 16 labels");
	json_object_foreach ((json_t *)value, key, label)
		if (!label_check(key, label, err))
			return false;
	spec->labels = json_deep_copy(value);
	return spec->labels || fail(err, ERR_INTERNAL, "out of memory");
}

static bool networks_parse(const struct field *field, const json_t *value, bool form,
			   struct spec *spec, struct error *err)
{
	if (form && json_is_string(value))
		return networks_from_text(&spec->allow, json_string_value(value),
					  json_string_length(value), field->name, err);
	return networks_from_json(&spec->allow, value, field->name, err);
}

static bool tls_parse(const struct field *field, const json_t *value, struct spec *spec,
		      struct error *err)
{
	const char *name = json_string_value(value);

	if (!name || strlen(name) != json_string_length(value) ||
	    !tls_from_name(&spec->tls, name))
		return fail_field(err, field->name, "must be offered or required");
	return true;
}

static bool field_parse(const struct field *field, const json_t *value, bool form,
			struct spec *spec, struct error *err)
{
	spec->given |= field->given;
	switch (field->kind) {
	case NAME:
		return name_parse(field, value, spec, err);
	case PASSWORD:
		return password_parse(field, value, spec, err);
	case SWITCH:
		return switch_parse(field, value, form, spec, err);
	case LABELS:
		return labels_parse(field, value, spec, err);
	case NETWORKS:
		return networks_parse(field, value, form, spec, err);
	case TLS:
		return tls_parse(field, value, spec, err);
	case INTEGER:
	case NUMBER:
		break;
	}
	return number_parse(field, value, form, spec, err);
}

static const struct field *field_named(const struct field *fields, const char *name)
{
	for (; fields->name; fields++)
		if (strcmp(fields->name, name) == 0)
			return fields;
	return NULL;
}

static bool fields_check(struct spec *spec, const struct field *fields,
			 const json_t *body, bool form, struct error *err)
{
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)body, key, value)
		if (!field_named(fields, key))
			return fail_field(err, key, "is not a field of this call");
	for (; fields->name; fields++) {
		value = json_object_get(body, fields->name);
		if (!value && fields->required)
			return fail_field(err, fields->name, "is required");
		if (value && !field_parse(fields, value, form, spec, err))
			return false;
	}
	return true;
}

/*
 * jansson's text quotes the input near the fault, so it is never passed on. Of a
 * duplicate key it quotes that key, as written; one of our own fields is named.
 */
static const struct field *duplicate_field(const json_error_t *problem,
					   const struct field *fields)
{
	const char *near = strstr(problem->text, "near '\"");
	const char *end = near ? strrchr(near, '\'') : NULL;
	json_auto_t *key = NULL;

	if (!near || end < near + 7)
		return NULL;
	key = json_loadb(near + 6, (size_t)(end - near - 6), JSON_DECODE_ANY, NULL);
	return json_is_string(key) ? field_named(fields, json_string_value(key)) : NULL;
}

/* Whose value ends at text + length: the last of our own fields that is named before. */
static const struct field *field_before(const char *text, size_t length,
					const struct field *fields)
{
	const struct field *field = NULL;
	char name[64];

	for (size_t start = length, end = length; start-- > 0 && !field;) {
		if (text[start] != '"')
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)(end - start - 1),
			 text + start + 1);
		field = field_named(fields, name);
		end = start;
	}
	return field;
}

static bool json_refuse(const json_error_t *problem, const char *body,
			const struct field *fields, struct error *err)
{
	const struct field *field;

	if (errno == ENOMEM)
		return fail(err, ERR_INTERNAL, "out of memory");
	switch (json_error_code(problem)) {
	case json_error_numeric_overflow:
		field = field_before(body, (size_t)problem->position, fields);
		return fail_at(err, ERR_INVALID, field ? field->name : "",
			       "a number is too large");
	case json_error_duplicate_key:
		field = duplicate_field(problem, fields);
		return fail_at(err, ERR_INVALID, field ? field->name : "",
			       "a key is given twice");
	default:
		return fail(err, ERR_UNREADABLE,
			    "the body is not JSON (line %d, column %d)", problem->line,
			    problem->column);
	}
}

static bool json_parse(json_t **ret_json, const struct field *fields, const char *body,
		       size_t length, struct error *err)
{
	json_error_t problem;
	json_auto_t *json = NULL;

	errno = 0; /* jansson does not tell all lacks of memory apart from bad text */
	json = json_loadb(body, length,
			  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_ANY,
			  &problem);
	if (!json)
		return json_refuse(&problem, body, fields, err);
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

bool spec_parse(struct spec *ret_spec, const struct field *fields,
		const char *content_type, const char *body, size_t length,
		struct error *err)
{
	json_auto_t *json = NULL;
	AUTO_SPEC spec = { 0 };
	bool form = media_type_is(content_type, "application/x-www-form-urlencoded");

	if (length == 0 && !form && fields->name)
		return fail(err, ERR_UNREADABLE, "the body is empty");
	if (form) {
		if (!form_parse(&json, body, length, field_named(fields, "labels"), err))
			return false;
	} else if (length > 0 && !media_type_is(content_type, "application/json")) {
		return fail(err, ERR_MEDIA_TYPE,
			    "the body must be application/json or "
			    "application/x-www-form-urlencoded, in UTF-8");
	} else if (length > 0 && !json_parse(&json, fields, body, length, err)) {
		return false;
	}
	if (json && !fields_check(&spec, fields, json, form, err))
		return false;
	*ret_spec = spec;
	spec = (struct spec){ 0 };
	return true;
}

void spec_done(struct spec *spec)
{
	json_decref(spec->labels);
	explicit_bzero(spec, sizeof(*spec));
}
