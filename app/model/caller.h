/* The caller of the API: the token that a request came with, or this machine where there
 * are no tokens. */
#ifndef PGBERTH_MODEL_CALLER_H
#define PGBERTH_MODEL_CALLER_H

#include <jansson.h>

#include "model/token.h"

/* Without tokens it is this machine, with all rights. */
struct caller {
	char name[NAME_SIZE];	/* its token's; "": no token */
	char id[TOKEN_ID_SIZE]; /* the token's; "": no token */
	bool is_known;
	enum token_scope scope;
	char prefix[NAME_SIZE];
};

/* True when the caller may know of instances of that name (or trash of that id). */
bool caller_sees(const struct caller *caller, const char *storage_dir);

/* The caller whom this thread serves, borrowed; NULL: pgberthd acts by itself. */
void caller_set(const struct caller *caller);
const struct caller *caller_current(void);

/* True when whoever this thread serves may know of that instance; pgberthd may. */
bool caller_is_shown(const char *storage_dir);

/* A text as that caller may read it, without the names of instances that are not shown,
 * and as utf8_show() writes it. A new reference; NULL without memory. */
json_t *caller_text(const char *text);

#endif
