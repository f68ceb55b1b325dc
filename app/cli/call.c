/* pgberth create, ls and rm: calls of the API whose options are the table of fields. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "cli/cli.h"
#include "model/record.h"
#include "model/spec.h"

enum {
	OPTION_LABEL = 'l',
	OPTION_PASSWORD_FILE = 0x200,
	OPTION_STATE,
	OPTION_JSON,
	OPTION_PURGE,
};

/* Arguments of all commands of this file. */
struct arguments {
	struct target target;
	const char *name;
	const char *password_file;
	const char *state;
	const char *label;
	json_t *fields; /* fields of the body; NULL: the command has none */
	bool needs_name;
	bool json;
	bool purge;
};

/* Versions of clang-format differ on braces in macros. */
/* clang-format off */
#define JSON_OPTION                                                                      \
	{                                                                                \
		"json", OPTION_JSON, NULL, 0, "print what the API answers", 0            \
	}
/* clang-format on */

static const struct argp_option create_options[] = {
	{ "password-file", OPTION_PASSWORD_FILE, "FILE", 0,
	  "holds the password (- for standard input); without, it is asked for", 0 },
	JSON_OPTION,
	{ 0 },
};

static const struct argp_option ls_options[] = {
	{ "state", OPTION_STATE, "STATE", 0, "only those", 0 },
	{ "label", OPTION_LABEL, "KEY=VALUE", 0, "only those", 0 },
	JSON_OPTION,
	{ 0 },
};

static const struct argp_option rm_options[] = {
	{ "purge", OPTION_PURGE, NULL, 0, "move its storage to the trash", 0 },
	JSON_OPTION,
	{ 0 },
};

/* ---- arguments ---- */

static error_t argument(char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	if (arguments->name || !arguments->needs_name)
		argp_error(state, "too many arguments");
	if (!name_is_valid(value))
		argp_error(state, "NAME must be 1 to %d of A-Z, a-z, 0-9, _, . and -",
			   NAME_MAX_LENGTH);
	arguments->name = value;
	return 0;
}

static error_t call_option(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &arguments->target;
		if (arguments->fields)
			state->child_inputs[1] = arguments->fields;
		return 0;
	case OPTION_LABEL:
		arguments->label = value;
		return 0;
	case OPTION_PASSWORD_FILE:
		arguments->password_file = value;
		return 0;
	case OPTION_STATE:
		arguments->state = value;
		return 0;
	case OPTION_JSON:
		arguments->json = true;
		return 0;
	case OPTION_PURGE:
		arguments->purge = true;
		return 0;
	case ARGP_KEY_ARG:
		return argument(value, state);
	case ARGP_KEY_END:
		if (!arguments->name && arguments->needs_name)
			argp_error(state, "NAME is missing");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* With fields, the options of a body are added. */
static void arguments_read(struct arguments *ret, const struct argp_option *options,
			   bool fields, const char *args_doc, int argc, char **argv)
{
	struct argp_child children[] = { { &target_argp, 0, "API:", 1 },
					 { fields ? field_argp() : NULL, 0, NULL, 0 },
					 { 0 } };
	struct argp argp = { .options = options,
			     .parser = call_option,
			     .args_doc = args_doc,
			     .children = children };

	*ret = (struct arguments){ .fields = fields ? json_object() : NULL,
				   .needs_name = args_doc != NULL };
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, ret);
}

/* ---- commands ---- */

void cli_print(const json_t *json)
{
	json_dumpf(json, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
	putchar('\n');
}

const char *cli_text(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

/* Prints the answer of a call, whole or as one line; ends the call. */
static int result_print(const struct arguments *arguments, bool ok, json_t *json,
			const char *line, const struct error *err)
{
	if (ok && arguments->json)
		cli_print(json);
	else if (ok)
		puts(*line ? line : cli_text(json, "dsn"));
	json_decref(json);
	json_decref(arguments->fields);
	return ok ? fflush(stdout) != 0 : cli_fail(err);
}

int create_command(int argc, char **argv)
{
	struct arguments arguments;
	char password[PASSWORD_MAX + 2];
	json_t *json = NULL;
	struct error err;
	bool ok;

	arguments_read(&arguments, create_options, true, "NAME", argc, argv);
	ok = cli_secret(password, PASSWORD_MAX, arguments.password_file,
			"Password of the new server", &err);
	if (ok) {
		json_object_set_new(arguments.fields, "storage_dir",
				    json_string(arguments.name));
		ok = json_object_set_new(arguments.fields, "admin_password",
					 json_string(password)) == 0 ||
		     fail(&err, ERR_INVALID, "the password must be UTF-8");
	}
	explicit_bzero(password, sizeof(password));
	ok = ok && cli_call(&arguments.target, "POST", "containers/", arguments.fields,
			    &json, &err);
	return result_print(&arguments, ok, json, "", &err);
}

int rm_command(int argc, char **argv)
{
	struct arguments arguments;
	char path[NAME_SIZE + 40], line[NAME_SIZE + 60];
	json_t *json = NULL;
	struct error err;
	bool ok;

	arguments_read(&arguments, rm_options, false, "NAME", argc, argv);
	snprintf(path, sizeof(path), "containers/%s/%s", arguments.name,
		 arguments.purge ? "?purge=true" : "");
	ok = cli_call(&arguments.target, "DELETE", path, NULL, &json, &err);
	snprintf(line, sizeof(line), "%s is deleted; its storage is %s", arguments.name,
		 arguments.purge ? "in the trash" : "kept");
	return result_print(&arguments, ok, json, line, &err);
}

/* Query parameters come from the command line alone, and are escaped whole. */
static bool query_add(struct buf *path, const char *name, const char *value)
{
	if (!value)
		return true;
	if (!buf_printf(path, "&%s=", name))
		return false;
	for (const unsigned char *at = (const unsigned char *)value; *at; at++)
		if (!buf_printf(path, "%%%02X", *at))
			return false;
	return true;
}

static void view_print(const json_t *view)
{
	const json_t *port = json_object_get(view, "port");
	char text[16] = "-";

	if (json_is_integer(port))
		snprintf(text, sizeof(text), "%d", (int)json_integer_value(port));
	printf("%-32s %-9s %-6s %-8d %s\n", cli_text(view, "storage_dir"),
	       cli_text(view, "state"), text,
	       (int)json_integer_value(json_object_get(view, "version")),
	       cli_text(view, "reason"));
}

bool cli_list(const struct target *target, const char *state, const char *label,
	      json_t *all, struct error *err)
{
	char after[NAME_SIZE] = "";

	do {
		AUTO_BUF path = { 0 };
		json_t *page;

		if (!buf_printf(&path, "containers/?limit=1000") ||
		    !query_add(&path, "state", state) ||
		    !query_add(&path, "label", label) ||
		    !query_add(&path, "after", *after ? after : NULL))
			return fail(err, ERR_INTERNAL, "out of memory");
		if (!cli_call(target, "GET", buf_text(&path), NULL, &page, err))
			return false;
		json_array_extend(all, json_object_get(page, "containers"));
		snprintf(after, sizeof(after), "%s", cli_text(page, "next"));
		json_decref(page);
	} while (*after);
	return true;
}

int ls_command(int argc, char **argv)
{
	struct arguments arguments;
	json_t *all = json_array();
	struct error err;
	bool ok;

	arguments_read(&arguments, ls_options, false, NULL, argc, argv);
	ok = cli_list(&arguments.target, arguments.state, arguments.label, all, &err);
	if (ok && arguments.json)
		cli_print(all);
	else if (ok)
		printf("%-32s %-9s %-6s %-8s %s\n", "NAME", "STATE", "PORT", "VERSION",
		       "REASON");
	for (size_t i = 0; ok && !arguments.json && i < json_array_size(all); i++)
		view_print(json_array_get(all, i));
	json_decref(all);
	return ok ? fflush(stdout) != 0 : cli_fail(&err);
}
