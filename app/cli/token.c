/* pgberth token add, ls and revoke change the token file; for root on pgberthd's host. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "model/config.h"
#include "model/token_file.h"

enum {
	OPTION_SCOPE = 's',
	OPTION_PREFIX = 'p',
	OPTION_EXPIRES = 'e',
	OPTION_CONFIG = 'c'
};

/* Arguments of all commands of this file. */
struct token_arguments {
	struct token token;
	bool needs_name, needs_scope, has_scope;
	const char *config;
};

/* Versions of clang-format differ on braces in macros. */
/* clang-format off */
#define CONFIG_OPTION                                                                    \
	{                                                                                \
		"config", OPTION_CONFIG, "FILE", 0, "default /etc/pgberth/pgberth.conf", \
			0                                                                \
	}
/* clang-format on */

static const struct argp_option add_options[] = {
	{ "scope", OPTION_SCOPE, "SCOPE", 0,
	  "read, write (read, and change servers) or admin (all)", 0 },
	{ "prefix", OPTION_PREFIX, "TEXT", 0,
	  "it sees only servers whose names begin with TEXT (default: all)", 0 },
	{ "expires", OPTION_EXPIRES, "TIME", 0,
	  "time to live, as 90d, 12h or 30m (default: for ever)", 0 },
	CONFIG_OPTION,
	{ 0 },
};

static const struct argp_option file_options[] = { CONFIG_OPTION, { 0 } };

/* "90d" as a time from now; 0: the text has another form. */
static long long expiry_parse(const char *text)
{
	char *unit;
	long count = strtol(text, &unit, 10);
	long long seconds = *unit == 'd' ? 86400 : *unit == 'h' ? 3600 : 60;

	if (count < 1 || count > 100000 || !strchr("dhm", *unit) || !*unit || unit[1])
		return 0;
	return time(NULL) + count * seconds;
}

static void name_take(char *to, const char *value, const char *what,
		      struct argp_state *state)
{
	if (!name_is_valid(value))
		argp_error(state,
			   "%s must be 1 to %d of A-Z, a-z, 0-9, _, . and -, and begin "
			   "with a letter or digit",
			   what, NAME_MAX_LENGTH);
	snprintf(to, NAME_SIZE, "%s", value);
}

static error_t token_option(int key, char *value, struct argp_state *state)
{
	struct token_arguments *arguments = state->input;
	struct token *token = &arguments->token;

	switch (key) {
	case OPTION_SCOPE:
		arguments->has_scope = scope_from_name(&token->scope, value);
		if (!arguments->has_scope)
			argp_error(state, "--scope must be read, write or admin");
		return 0;
	case OPTION_PREFIX:
		name_take(token->prefix, value, "--prefix", state);
		return 0;
	case OPTION_EXPIRES:
		token->expires_at = expiry_parse(value);
		if (!token->expires_at)
			argp_error(state, "--expires must be as 90d, 12h or 30m");
		return 0;
	case OPTION_CONFIG:
		arguments->config = value;
		return 0;
	case ARGP_KEY_ARG:
		if (*token->name || !arguments->needs_name)
			argp_error(state, "too many arguments");
		name_take(token->name, value, "NAME", state);
		return 0;
	case ARGP_KEY_END:
		if (!*token->name && arguments->needs_name)
			argp_error(state, "NAME is missing");
		if (arguments->needs_scope && !arguments->has_scope)
			argp_error(state, "--scope is missing: read, write or admin");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Reads the arguments, and the configuration for the path of the token file. */
static bool token_begin(const struct argp_option *options, const char *args_doc, int argc,
			char **argv, struct token_arguments *ret, struct config *ret_cfg,
			struct error *err)
{
	struct argp argp = { .options = options,
			     .parser = token_option,
			     .args_doc = args_doc };

	*ret = (struct token_arguments){ .config = "/etc/pgberth/pgberth.conf",
					 .needs_name = args_doc != NULL,
					 .needs_scope = options == add_options };
	argp_err_exit_status = 2;
	argp_parse(&argp, argc, argv, 0, NULL, ret);
	return config_load(ret_cfg, ret->config, err);
}

/* The host's log records who changed the tokens. */
static void audit(const char *what, const char *name)
{
	openlog("pgberth", LOG_PID, LOG_AUTHPRIV);
	syslog(LOG_NOTICE, "token %s name=%s by uid=%d", what, name, (int)getuid());
	closelog();
}

int token_add_command(int argc, char **argv)
{
	static struct config cfg;
	struct token_arguments arguments;
	char text[TOKEN_SIZE];
	struct error err;

	if (!token_begin(add_options, "NAME", argc, argv, &arguments, &cfg, &err) ||
	    !token_add(cfg.tokens, &arguments.token, text, &err))
		return cli_fail(&err);
	audit("added", arguments.token.name);
	puts(text);
	explicit_bzero(text, sizeof(text));
	return fflush(stdout) != 0;
}

int token_revoke_command(int argc, char **argv)
{
	static struct config cfg;
	struct token_arguments arguments;
	size_t left;
	struct error err;

	if (!token_begin(file_options, "NAME", argc, argv, &arguments, &cfg, &err) ||
	    !token_revoke(cfg.tokens, arguments.token.name, &left, &err))
		return cli_fail(&err);
	audit("revoked", arguments.token.name);
	if (left == 0)
		fputs("No token is left: from now on every user of this host may call, "
		      "and nobody else.\n",
		      stderr);
	return 0;
}

static void time_print(long long seconds)
{
	time_t when = (time_t)seconds;
	char text[20];
	struct tm utc;

	gmtime_r(&when, &utc);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &utc);
	fputs(seconds ? text : "never", stdout);
}

int token_ls_command(int argc, char **argv)
{
	static struct config cfg;
	struct token_arguments arguments;
	AUTO_TOKENS tokens = { 0 };
	struct stat ignored;
	struct error err;

	if (!token_begin(file_options, NULL, argc, argv, &arguments, &cfg, &err) ||
	    !tokens_read(cfg.tokens, &tokens, &ignored, &err))
		return cli_fail(&err);
	printf("%-24s %-6s %-16s %-16s  %-18s%s\n", "NAME", "SCOPE", "PREFIX", "ID",
	       "CREATED", "EXPIRES (UTC)");
	for (size_t i = 0; i < tokens.count; i++) {
		const struct token *token = &tokens.list[i];

		printf("%-24s %-6s %-16s %-16s  ", token->name, scope_name(token->scope),
		       *token->prefix ? token->prefix : "-", token->id);
		time_print(token->created_at);
		fputs("  ", stdout);
		time_print(token->expires_at);
		puts(token_is_expired(token) ? " expired" : "");
	}
	return fflush(stdout) != 0;
}
