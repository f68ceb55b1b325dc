/* <root>/staging: where a directory is made before it appears in its place by one
 * rename, and where it goes before it is removed. Nothing in it outlives pgberthd. */
#ifndef PGBERTH_STORE_STAGING_H
#define PGBERTH_STORE_STAGING_H

#include <stdbool.h>

#include "base/error.h"

/* Names there: room for NAME.20260101T000000Z.<random>. */
#define STORE_TEMPORARY_SIZE 112

/* A name that no other request uses. */
void store_temporary_name(char name[STORE_TEMPORARY_SIZE], const char *base);

/* Removes what has that name; what cannot be removed is left to the next clearing. */
void store_staging_clear(const char *name);

/* Main thread, at start: renames what an earlier process left to
 * <root>/staging.old.<random>, since it may be large. */
bool store_staging_set_aside(struct error *err);

/* Removes what was set aside. May take long. */
void store_clear_old_staging(void);

#endif
