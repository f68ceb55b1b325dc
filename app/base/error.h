/*
 * Errors. Each function that fails fills one by fail(): a code (which decides status and
 * slug of the answer), a sentence for a person and, if a field is wrong, its name.
 */
#ifndef PGBERTH_BASE_ERROR_H
#define PGBERTH_BASE_ERROR_H

#include <stdbool.h>

enum error_code {
	ERR_INTERNAL,
	ERR_UNREADABLE,
	ERR_UNAUTHORIZED,
	ERR_FORBIDDEN,
	ERR_NOT_FOUND,
	ERR_METHOD,
	ERR_PORT_IN_USE,
	ERR_ALREADY_EXISTS,
	ERR_BUSY,
	ERR_FOREIGN_DATA,
	ERR_NOT_RUNNING,
	ERR_TOO_LARGE,
	ERR_MEDIA_TYPE,
	ERR_INVALID,
	ERR_TOO_MANY,
	ERR_TOO_MANY_FAILURES,
	ERR_ENGINE,
	ERR_IMAGE_MISSING,
	ERR_SERVER,
	ERR_SERVER_FULL,
	ERR_PASSWORD,
	ERR_LOCKED,
	ERR_STARTING,
	ERR_TOKENS,
	ERR_NO_SPACE,
	ERR_NO_FREE_PORT,
};

struct error {
	enum error_code code;
	char message[400];
	char field[64]; /* empty: no field is wrong */
};

/* Fills err and returns false. The message: lower case, names the thing, no secret. */
bool fail(struct error *err, enum error_code code, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The same, naming the wrong field of the request. */
bool fail_at(struct error *err, enum error_code code, const char *field, const char *fmt,
	     ...) __attribute__((format(printf, 4, 5)));

/*
 * Reports a wrong field: ERR_INVALID with its name, after which the sentence goes on. A
 * name may be the client's own text, even a whole body with its password, so it is shown
 * only where it is plain.
 */
bool fail_field(struct error *err, const char *field, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Reports a failed system call: the message, then the text of errno. A full disk or quota
 * becomes ERR_NO_SPACE, any other errno ERR_INTERNAL.
 */
bool fail_errno(struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Puts "message: " before the message of err; returns false. */
bool fail_because(struct error *err, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* HTTP status, slug, and seconds for Retry-After (0: none, since it does not pass by
 * waiting) of a code. */
int error_status(enum error_code code);
const char *error_slug(enum error_code code);
int error_retry_after(enum error_code code);

#endif
