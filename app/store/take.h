/* An instance's directory appears as a whole or not at all; an instance that was never
 * acknowledged is removed for good. */
#ifndef PGBERTH_STORE_TAKE_H
#define PGBERTH_STORE_TAKE_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"
#include "store/conf_files.h"
#include "store/spares.h"

/*
 * Makes <root>/instances/<name> at once, with the record, conf files (NULL ends) and pg/:
 * the spare, which is used up in any case, or an empty one if spare is NULL. Errors:
 * ERR_FOREIGN_DATA when the directory exists already.
 */
bool store_take(const struct record *record, const struct conf_file *files,
		const struct spare *spare, struct error *err);

/* Removes an instance whose create was not acknowledged, for good. */
bool store_discard(const char *name, struct error *err);

#endif
