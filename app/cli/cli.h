/* pgberth, the command line: one table of commands, each a function of its arguments. */
#ifndef PGBERTH_CLI_H
#define PGBERTH_CLI_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* Where the API is, and who calls. Strings are borrowed from the command line. */
struct target {
	const char *url;
	const char *token_file; /* NULL: no token */
	const char
		*ca_file; /* NULL: that of this host if it is there, and the system's */
};

/* For commands that call: --url, --token-file, --cacert. Its input is a struct target. */
extern const struct argp target_argp;

/* Exit status of a command: 0, 1 (refused or failed, said on standard error). */
int token_add_command(int argc, char **argv);
int token_ls_command(int argc, char **argv);
int token_revoke_command(int argc, char **argv);
int create_command(int argc, char **argv);
int ls_command(int argc, char **argv);
int rm_command(int argc, char **argv);
int adopt_command(int argc, char **argv);

/* Says why on standard error; returns 1. */
int cli_fail(const struct error *err);

/*
 * One call; body is borrowed, NULL for none. *ret: what a success answers, to be
 * json_decref'd. Errors: the message of the API's refusal, or why it was not reached.
 */
bool cli_call(const struct target *target, const char *method, const char *path,
	      const json_t *body, json_t **ret, struct error *err);

/* All servers, of this state and with this label (NULL: any), appended to an array. */
bool cli_list(const struct target *target, const char *state, const char *label,
	      json_t *all, struct error *err);

/* A member's text, "" when it is none; borrowed. */
const char *cli_text(const json_t *json, const char *key);

/* Prints it on standard output. */
void cli_print(const json_t *json);

/*
 * A secret, one line of at most max bytes, from a file ("-": standard input), or asked
 * for on the terminal when path is NULL and there is one. ret has room for max + 1 bytes
 * and is to be wiped by the caller.
 */
bool cli_secret(char *ret, size_t max, const char *path, const char *prompt,
		struct error *err);

#endif
