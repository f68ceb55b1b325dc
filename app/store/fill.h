/* Makes data directories: copies of the template with a system identifier of their own.
 * Each is empty or whole, and synced to disk. */
#ifndef PGBERTH_STORE_FILL_H
#define PGBERTH_STORE_FILL_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"
#include "store/staging.h"
#include "store/template.h"

/* Fills the pg/ of an instance, at once. With a quota it is filled in place, and the
 * instance must be discarded after a failure. */
bool store_fill(const struct record *record, const struct template *template,
		struct error *err);

/* For store/ alone: makes a whole pg/ in staging, under a new name. */
bool store_pg_make(char ret_name[STORE_TEMPORARY_SIZE], int version, int uid,
		   const struct template *template, struct error *err);

#endif
