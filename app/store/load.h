/* Loads the records of all instances at start: no two share a name or a uid, and
 * directories that do not fit their record are told apart. */
#ifndef PGBERTH_STORE_LOAD_H
#define PGBERTH_STORE_LOAD_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"

/*
 * Calls each(record, user) for every instance, and broken(name, why, user) for every
 * directory that is none, since its record cannot be read or does not fit it. No two
 * instances share a uid, nor does an instance with a trash entry. Counts the uids of
 * instances and trash as taken. Main thread.
 */
bool store_load(void (*each)(struct record *record, void *user),
		void (*broken)(const char *name, const char *why, void *user), void *user,
		struct error *err);

#endif
