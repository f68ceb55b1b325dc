/* Finds the command in a table, and runs it with secrets kept out of cores. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/scope.h"
#include "base/version.h"
#include "cli/cli.h"

static const struct command {
	const char *group, *name; /* group NULL: the command is one word */
	int (*run)(int argc, char **argv);
	const char *what;
} commands[] = {
	{ NULL, "create", create_command, "make a server, or bring it back" },
	{ NULL, "ls", ls_command, "list servers" },
	{ NULL, "rm", rm_command, "delete a server; its storage is kept, or trashed" },
	{ NULL, "adopt", adopt_command,
	  "make servers of directories moved or copied here" },
	{ "token", "add", token_add_command, "make a token; it is printed only once" },
	{ "token", "ls", token_ls_command, "list tokens" },
	{ "token", "revoke", token_revoke_command, "end a token, at once" },
};

static int usage(FILE *to, int status)
{
	fputs("usage: pgberth COMMAND [OPTION...]\n\n", to);
	for (size_t i = 0; i < COUNT_OF(commands); i++)
		fprintf(to, "  %s%s%-*s%s\n", commands[i].group ? commands[i].group : "",
			commands[i].group ? " " : "", commands[i].group ? 8 : 14,
			commands[i].name, commands[i].what);
	fputs("\npgberth COMMAND --help explains a command; pgberth --version prints the version.\n",
	      to);
	return status;
}

/* Secrets pass through: no core is dumped, and JSON's memory is wiped before it is freed. */
static void wipe_and_free(void *memory)
{
	if (memory)
		explicit_bzero(memory, malloc_usable_size(memory));
	free(memory);
}

static void secrets_prepare(void)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
	prctl(PR_SET_DUMPABLE, 0);
	json_set_alloc_funcs(malloc, wipe_and_free);
}

/* argp names the program by its first argument, so that is set to the whole command. */
static int command_run(const struct command *command, int argc, char **argv)
{
	static char name[40];

	snprintf(name, sizeof(name), "pgberth %s%s%s",
		 command->group ? command->group : "", command->group ? " " : "",
		 command->name);
	argv[0] = name;
	program_invocation_name = name;
	return command->run(argc, argv);
}

int main(int argc, char **argv)
{
	secrets_prepare();
	if (argc < 2)
		return usage(stderr, 2);
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
		return usage(stdout, 0);
	if (strcmp(argv[1], "--version") == 0)
		return puts("pgberth " PGBERTH_VERSION) < 0;
	for (size_t i = 0; i < COUNT_OF(commands); i++) {
		const struct command *command = &commands[i];
		int words = command->group ? 2 : 1;

		if (argc > words && strcmp(argv[words], command->name) == 0 &&
		    (!command->group || strcmp(argv[1], command->group) == 0))
			return command_run(command, argc - words, argv + words);
	}
	return usage(stderr, 2);
}
