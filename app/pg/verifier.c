/* PQencryptPasswordConn(3) needs a connection, but not an open one. */
#include "pg/verifier.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

void pg_verifier_init(void)
{
	for (char **at = environ; *at;) {
		char name[64];

		if (strncmp(*at, "PG", 2) != 0) {
			at++;
			continue;
		}
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*at, "="), *at);
		unsetenv(name);
	}
}

bool pg_verifier(const char *password, char ret[VERIFIER_SIZE], struct error *err)
{
	/* With an unusable parameter libpq does not connect, but hashes all the same. */
	const char *const names[] = { "sslmode", NULL };
	const char *const values[] = { "none at all", NULL };
	PGconn *conn = PQconnectStartParams(names, values, 0);
	char *verifier = conn ? PQencryptPasswordConn(conn, password, /* user */ "",
						      "scram-sha-256")
			      : NULL;
	bool ok = verifier && strlen(verifier) < VERIFIER_SIZE;

	if (ok)
		snprintf(ret, VERIFIER_SIZE, "%s", verifier);
	PQfreemem(verifier);
	PQfinish(conn);
	return ok || fail(err, ERR_INTERNAL, "cannot hash the password");
}
