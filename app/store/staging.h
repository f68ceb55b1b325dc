/* Directories are made in <root>/staging before one rename puts them in place, and moved
 * there before they are removed. Nothing in it outlives pgberthd. */
#ifndef PGBERTH_STORE_STAGING_H
#define PGBERTH_STORE_STAGING_H

#include <stdbool.h>

#include "base/error.h"

/* Room for names like NAME.20260101T000000Z.<random>. */
#define STORE_TEMPORARY_SIZE 112

/* Makes a name that no other request uses. */
void store_temporary_name(char name[STORE_TEMPORARY_SIZE], const char *base);

/* Removes the directory of that name; a failure leaves it to the next clearing. */
void store_staging_clear(const char *name);

/* Renames the directory of an earlier process to <root>/staging.old.<random>, since
 * removing it may take long. Main thread, at start. */
bool store_staging_set_aside(struct error *err);

/* Removes directories of earlier processes. May take long. */
void store_clear_old_staging(void);

#endif
