/* A server refuses a login with a setting that it does not know, so each has its major. A
 * proof brings none that login triggers work with: they would treat it unlike a client.
 * tests/test_settings.py tries all settings of all majors against this table. */
#include "pg/options.h"

#include <stdio.h>
#include <string.h>

#include "base/scope.h"

#define ALL (OPTIONS_SOCKET | OPTIONS_LOGIN | OPTIONS_SINGLE)
#define OWN (OPTIONS_SOCKET | OPTIONS_SINGLE)
#define TIMEOUT NULL /* the session's own time */

static const struct option {
	const char *name;
	const char *value;
	int sessions;
	int since; /* major that brought it; 0: all have it */
} options[] = {
	/* End a session or a statement. */
	{ "statement_timeout", TIMEOUT, ALL, 0 },
	{ "lock_timeout", TIMEOUT, OPTIONS_SOCKET | OPTIONS_LOGIN, 0 },
	{ "lock_timeout", "5000", OPTIONS_SINGLE,
	  0 }, /* so that it is what ends a wait */
	{ "transaction_timeout", TIMEOUT, ALL, 17 },
	{ "idle_in_transaction_session_timeout", TIMEOUT, ALL, 0 },
	{ "idle_session_timeout", TIMEOUT, ALL, 0 },
	{ "client_connection_check_interval", "1000", OPTIONS_SOCKET, 0 },
	{ "exit_on_error", "off", OWN, 0 },
	{ "max_stack_depth", "2048", OWN, 0 },

	/* Hold it up. */
	{ "post_auth_delay", "0", OPTIONS_SOCKET | OPTIONS_LOGIN, 0 },
	{ "synchronous_commit", "local", OWN, 0 },
	{ "commit_delay", "0", OWN, 0 },
	{ "deadlock_timeout", "1000", OWN, 0 },
	{ "jit", "off", OWN, 0 },
	{ "max_parallel_workers_per_gather", "0", OWN, 0 },
	{ "ignore_system_indexes", "off", OPTIONS_SOCKET | OPTIONS_LOGIN, 0 },

	/* Run code of the tenant's. */
	{ "session_preload_libraries", "", OWN, 0 },
	{ "local_preload_libraries", "", OWN, 0 },
	{ "dynamic_library_path", "$libdir", OWN, 0 },
	{ "event_triggers", "off", OWN, 17 },

	/* Alter the meaning of a statement, or its result. */
	{ "role", "none", OPTIONS_SOCKET, 0 },
	{ "search_path", "pg_catalog", OWN, 0 },
	{ "default_transaction_isolation", "read committed", OWN, 0 },
	{ "default_transaction_read_only", "off", OWN, 0 },
	{ "default_transaction_deferrable", "off", OWN, 0 },
	{ "standard_conforming_strings", "on", OWN, 0 },
	{ "allow_system_table_mods", "off", OWN, 0 },
	{ "zero_damaged_pages", "off", OWN, 0 },
	{ "ignore_checksum_failure", "off", OWN, 0 },
	{ "stats_fetch_consistency", "none", OWN, 0 },

	/* Words that pgberth reads, and how many of them there are. */
	{ "lc_messages", "C", OWN, 0 },
	{ "client_encoding", "SQL_ASCII", ALL, 0 },
	{ "client_min_messages", "error", OWN, 0 },

	/* Write statements to the server's log, with the verifier in them. */
	{ "log_statement", "none", OWN, 0 },
	{ "log_duration", "off", OWN, 0 },
	{ "log_min_duration_statement", "-1", OWN, 0 },
	{ "log_min_duration_sample", "-1", OWN, 0 },
	{ "log_transaction_sample_rate", "0", OWN, 0 },
	{ "log_min_error_statement", "panic", OWN, 0 },
	{ "log_statement_stats", "off", OWN, 0 },
	{ "log_parser_stats", "off", OWN, 0 },
	{ "log_planner_stats", "off", OWN, 0 },
	{ "log_executor_stats", "off", OWN, 0 },
	{ "debug_print_parse", "off", OWN, 0 },
	{ "debug_print_rewritten", "off", OWN, 0 },
	{ "debug_print_plan", "off", OWN, 0 },
};

static bool text_add(struct buf *to, const char *text)
{
	return buf_append(to, text, strlen(text) + 1);
}

static bool pair_add(struct buf *to, const char *name, const char *value)
{
	return text_add(to, name) && text_add(to, value);
}

static bool words_add(struct buf *to, const char *name, const char *value)
{
	return text_add(to, "-c") && buf_printf(to, "%s=%s", name, value) &&
	       buf_append(to, "", 1);
}

static bool options_add(struct buf *to, int kind, int version, int timeout_ms,
			bool (*add)(struct buf *, const char *, const char *))
{
	char timeout[16];

	snprintf(timeout, sizeof(timeout), "%d", timeout_ms);
	for (size_t i = 0; i < COUNT_OF(options); i++) {
		const struct option *option = &options[i];
		const char *value = option->value ? option->value : timeout;

		if (option->sessions & kind && version >= option->since &&
		    !add(to, option->name, value))
			return false;
	}
	return true;
}

bool options_pairs(struct buf *to, int kind, int version, int timeout_ms)
{
	return options_add(to, kind, version, timeout_ms, pair_add);
}

bool options_words(struct buf *to, int kind, int version, int timeout_ms)
{
	return options_add(to, kind, version, timeout_ms, words_add);
}
