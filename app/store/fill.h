/* Data directories, copied from the template under a system identifier of their own:
 * each is empty or whole, and synced to disk. */
#ifndef PGBERTH_STORE_FILL_H
#define PGBERTH_STORE_FILL_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"
#include "store/staging.h"
#include "store/template.h"

/* Fills the pg/ of an instance. All at once; but where there is a quota: there it is made
 * at its place, and the instance is to be discarded when that fails. */
bool store_fill(const struct record *record, const struct template *template,
		struct error *err);

/* For store/ alone: a whole pg/ in staging, under a name of its own. */
bool store_pg_make(char ret_name[STORE_TEMPORARY_SIZE], int version, int uid,
		   const struct template *template, struct error *err);

#endif
