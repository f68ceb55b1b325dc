/* The command line: functions that run one command each, and what they share. */
#ifndef PGBERTH_CLI_H
#define PGBERTH_CLI_H

#include <argp.h>
#include <jansson.h>
#include <stdbool.h>

#include "base/error.h"

/* Address of the API, and the caller's token. Strings are borrowed from argv. */
struct target {
	const char *url;
	const char *token_file; /* NULL: no token */
	const char *ca_file;	/* NULL: localhost's, else the system's */
};

/* Options of commands that call: --url, --token-file, --cacert. Input: a struct target. */
extern const struct argp target_argp;

/* Options of create that are fields of its body. Input: that JSON object. */
const struct argp *field_argp(void);

/* Commands return their exit status: 0, or 1 after a refusal or failure (on stderr). */
int token_add_command(int argc, char **argv);
int token_ls_command(int argc, char **argv);
int token_revoke_command(int argc, char **argv);
int create_command(int argc, char **argv);
int ls_command(int argc, char **argv);
int rm_command(int argc, char **argv);
int adopt_command(int argc, char **argv);

/* Prints the error on standard error; returns 1. */
int cli_fail(const struct error *err);

/*
 * Makes a call; body is borrowed, NULL: none. *ret is the answer of a success, which the
 * caller frees by json_decref(). Errors: the message of the API, or why it was not
 * reached.
 */
bool cli_call(const struct target *target, const char *method, const char *path,
	      const json_t *body, json_t **ret, struct error *err);

/* Appends all servers of this state and with this label (NULL: any) to an array. */
bool cli_list(const struct target *target, const char *state, const char *label,
	      json_t *all, struct error *err);

/* Text of a member, "" if it is not a string; borrowed. */
const char *cli_text(const json_t *json, const char *key);

/* Prints json on standard output. */
void cli_print(const json_t *json);

/*
 * Reads a secret, one line of at most max bytes, from a file ("-": standard input); path
 * NULL: from the terminal if standard input is one, else from standard input. ret has
 * room for max + 1 bytes, and the caller wipes it.
 */
bool cli_secret(char *ret, size_t max, const char *path, const char *prompt,
		struct error *err);

#endif
