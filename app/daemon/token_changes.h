/*
 * Tells the log which tokens were added, changed and revoked, also by hand and while
 * pgberthd did not run: it keeps the tokens that it has seen in <root>/tokens.seen. Calls
 * must not overlap.
 */
#ifndef PGBERTH_DAEMON_TOKEN_CHANGES_H
#define PGBERTH_DAEMON_TOKEN_CHANGES_H

#include "model/token.h"

/* Tells in what the tokens differ from those last seen. */
void token_changes_tell(const struct tokens *tokens);

#endif
