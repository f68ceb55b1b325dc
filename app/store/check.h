/* Checks a data directory before a server starts on it. */
#ifndef PGBERTH_STORE_CHECK_H
#define PGBERTH_STORE_CHECK_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"
#include "store/template.h"

/*
 * Checks that the data directory exists, is whole, belongs to the tenant, is of this
 * major, and has its text sorted as this image sorts it. If a password is to be set it
 * must not be a standby, and its settings must be in a regular file unless they are set
 * aside. A foreign directory may have any owner. Changes nothing. Errors:
 * ERR_FOREIGN_DATA with the reason.
 */
enum store_use { STORE_READ, STORE_WRITTEN, STORE_SAFE, STORE_FOREIGN };
bool store_check(const struct record *record, const struct template *template,
		 enum store_use use, struct error *err);

#endif
