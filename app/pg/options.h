/*
 * Settings of pgberth's own sessions. A tenant may give its role, its database or its
 * server any setting; these override what could end, hold up or alter a session of
 * pgberth's, or write its statements to the log. For pg/ alone. Pure.
 */
#ifndef PGBERTH_PG_OPTIONS_H
#define PGBERTH_PG_OPTIONS_H

#include "base/buf.h"

/* Sessions that settings are for. */
enum {
	OPTIONS_NONE = 0,   /* a client's */
	OPTIONS_SOCKET = 1, /* a superuser's, over the socket */
	OPTIONS_LOGIN =
		2, /* a proof's: a client's that any role may be, but for its times */
	OPTIONS_SINGLE = 4, /* single-user mode */
};

/* Appends the settings that servers of this major know, for one kind of session, each as
 * name, NUL, value, NUL. The server itself ends what takes longer than timeout_ms. */
bool options_pairs(struct buf *to, int kind, int version, int timeout_ms);

/* The same as words of a command line, each ended by a NUL. */
bool options_words(struct buf *to, int kind, int version, int timeout_ms);

#endif
