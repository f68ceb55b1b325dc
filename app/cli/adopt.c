/* pgberth adopt makes instances of directories that were moved or copied here. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "model/record.h"

#define OPTION_ALL 'a'
#define OPTION_JSON 0x200

struct arguments {
	struct target target;
	json_t *names;
	bool all, json;
};

static const struct argp_option options[] = {
	{ "all", OPTION_ALL, NULL, 0, "adopt all directories that are not instances", 0 },
	{ "json", OPTION_JSON, NULL, 0, "print what the API answers", 0 },
	{ 0 },
};

static error_t option_take(int key, char *value, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &arguments->target;
		return 0;
	case OPTION_ALL:
		arguments->all = true;
		return 0;
	case OPTION_JSON:
		arguments->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (!name_is_valid(value))
			argp_error(state,
				   "NAME must be 1 to %d of A-Z, a-z, 0-9, _, . and -",
				   NAME_MAX_LENGTH);
		return json_array_append_new(arguments->names, json_string(value));
	case ARGP_KEY_END:
		if (arguments->all != (json_array_size(arguments->names) == 0))
			argp_error(state, "give either NAMEs or --all");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void arguments_read(struct arguments *ret, int argc, char **argv)
{
	static const struct argp_child children[] = { { &target_argp, 0, "API:", 1 },
						      { 0 } };
	struct argp argp = { .options = options,
			     .parser = option_take,
			     .args_doc = "NAME...\n--all",
			     .children = children };

	*ret = (struct arguments){ .names = json_array() };
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, ret);
}

static bool foreign_find(struct arguments *arguments, struct error *err)
{
	json_auto_t *failed = json_array();
	json_t *view;
	size_t i;

	if (!cli_list(&arguments->target, "failed", NULL, failed, err))
		return false;
	json_array_foreach (failed, i, view)
		if (json_is_true(json_object_get(view, "foreign")))
			json_array_append_new(arguments->names,
					      json_string(cli_text(view, "storage_dir")));
	return true;
}

/* Prints a line such as "demo: adopted, stopped, port 6123; its uid is 300007 now …". */
static void adopted_print(const json_t *view)
{
	const json_t *port = json_object_get(view, "port");
	bool adopted = json_is_true(json_object_get(view, "adopted"));
	const char *rest = adopted ? strchr(cli_text(view, "reason"), ';') : NULL;
	char text[24] = "no port";

	if (json_is_integer(port))
		snprintf(text, sizeof(text), "port %d", (int)json_integer_value(port));
	printf("%s: %s, %s, %s%s\n", cli_text(view, "storage_dir"),
	       adopted ? "adopted" : "an instance already", cli_text(view, "state"), text,
	       rest ? rest : "");
}

static bool adopt_one(const struct arguments *arguments, const char *name)
{
	char path[NAME_SIZE + 40];
	json_t *view = NULL;
	struct error err;

	snprintf(path, sizeof(path), "containers/%s/adopt", name);
	if (!cli_call(&arguments->target, "POST", path, NULL, &view, &err)) {
		cli_fail(&err);
		return false;
	}
	if (arguments->json)
		cli_print(view);
	else
		adopted_print(view);
	json_decref(view);
	return true;
}

int adopt_command(int argc, char **argv)
{
	struct arguments arguments;
	struct error err;
	bool ok = true;
	json_t *name;
	size_t i;

	arguments_read(&arguments, argc, argv);
	if (arguments.all && !foreign_find(&arguments, &err))
		return cli_fail(&err);
	json_array_foreach (arguments.names, i, name)
		ok = adopt_one(&arguments, json_string_value(name)) && ok;
	json_decref(arguments.names);
	return fflush(stdout) != 0 || !ok;
}
