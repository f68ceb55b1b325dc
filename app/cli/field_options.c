/* Options of `pgberth create`, by the table of fields: they make the body of the call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "cli/cli.h"
#include "model/field.h"

#define KEY_FIRST 0x400 /* of options without a letter; by place in the table */
#define OPTIONS_MAX 64
#define OPTION_SIZE 40

static void number_take(json_t *body, const char *name, const char *value,
			struct argp_state *state)
{
	json_error_t problem;
	json_t *number = json_loads(value, JSON_DECODE_ANY, &problem);

	if (!json_is_number(number))
		argp_error(state, "%s must be a number", name);
	json_object_set_new(body, name, number);
}

/* A member of the body that collects values, made at its first option. Borrowed. */
static json_t *collection(json_t *body, const char *name, json_t *empty)
{
	if (!json_object_get(body, name))
		json_object_set(body, name, empty);
	json_decref(empty);
	return json_object_get(body, name);
}

static void label_take(json_t *body, const char *name, const char *value,
		       struct argp_state *state)
{
	const char *equals = strchr(value, '=');
	char key[LABEL_KEY_MAX + 1];

	if (!equals || equals == value || equals - value >= (long)sizeof(key))
		argp_error(state, "--label must be KEY=VALUE");
	snprintf(key, sizeof(key), "%.*s", (int)(equals - value), value);
	json_object_set_new(collection(body, name, json_object()), key,
			    json_string(equals + 1));
}

static void network_take(json_t *body, const char *name, const char *value)
{
	json_t *networks = collection(body, name, json_array());

	if (*value)
		json_array_append_new(networks, json_string(value));
}

static void value_take(json_t *body, const struct field *field, const char *value,
		       struct argp_state *state)
{
	switch (field->kind) {
	case INTEGER:
	case NUMBER:
	case TIME:
		number_take(body, field->name, value, state);
		return;
	case LABELS:
		label_take(body, field->name, value, state);
		return;
	case NETWORKS:
		network_take(body, field->name, value);
		return;
	case SWITCH:
		json_object_set_new(body, field->name, json_true());
		return;
	case NAME:
	case TEXT:
	case CHOICE:
		json_object_set_new(body, field->name, json_string(value));
	}
}

static int key_of(const struct field *field)
{
	return field->key ? field->key : KEY_FIRST + (int)(field - fields);
}

static error_t on_option(int key, char *value, struct argp_state *state)
{
	for (const struct field *field = fields; field->name; field++)
		if (field->help && key_of(field) == key) {
			value_take(state->input, field, value, state);
			return 0;
		}
	return ARGP_ERR_UNKNOWN;
}

static const char *option_name(const struct field *field, char name[OPTION_SIZE])
{
	if (field->option)
		return field->option;
	snprintf(name, OPTION_SIZE, "%s", field->name);
	for (char *at = name; *at; at++)
		if (*at == '_')
			*at = '-';
	return name;
}

const struct argp *field_argp(void)
{
	static struct argp_option options[OPTIONS_MAX];
	static char names[OPTIONS_MAX][OPTION_SIZE];
	static const struct argp argp = { .options = options, .parser = on_option };
	int count = 0;

	for (const struct field *field = fields; field->name; field++)
		if (field->help && count < OPTIONS_MAX - 1) {
			options[count] = (struct argp_option){
				.name = option_name(field, names[count]),
				.key = key_of(field),
				.arg = field->argument,
				.doc = field->help,
			};
			count++;
		}
	return &argp;
}
