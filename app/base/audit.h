/*
 * Lines of the log that tell who changed which server or token, or was refused to: one
 * for each server and change. They have the names of fields, never values. Any thread.
 */
#ifndef PGBERTH_BASE_AUDIT_H
#define PGBERTH_BASE_AUDIT_H

#include "base/buf.h"
#include "base/error.h"

/* Strings are borrowed; NULL and "" mean that there is none, or that it is unknown. */
struct audit {
	const char *who, *token;	  /* name of a token, and its id */
	const char *from, *method, *path; /* of the call; without a path there was none */
	const char *action;
	const char *name;   /* of the server; of the token in a change of tokens */
	const char *trash;  /* id of the trash entry */
	const char *fields; /* names of the fields that were given, with commas between */
	const char *wrong;  /* name of the field that is wrong */
	const struct error *err; /* the refusal; NULL: it was done */
};

void audit(const struct audit *line);

/* Appends such a line; is_cut_off: nobody was answered. False without memory. */
bool audit_text(struct buf *ret, const struct audit *line, bool is_cut_off);

/* The same for a change to a server that no call asked for. */
void audit_own(const char *action, const char *name, const char *fields);

#endif
