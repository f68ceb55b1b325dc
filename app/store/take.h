/* An instance's directory appears whole among the instances, or not at all; and one that
 * was never acknowledged goes for good. */
#ifndef PGBERTH_STORE_TAKE_H
#define PGBERTH_STORE_TAKE_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"
#include "store/conf_files.h"
#include "store/spares.h"

/*
 * Makes <root>/instances/<name> with the record, conf files (NULL ends) and pg/, all at
 * once: the spare, which is used up in any case, or an empty one where spare is NULL.
 * Errors: ERR_FOREIGN_DATA when something of that name is there already.
 */
bool store_take(const struct record *record, const struct conf_file *files,
		const struct spare *spare, struct error *err);

/* Removes an instance whose create was never acknowledged, for good. */
bool store_discard(const char *name, struct error *err);

#endif
