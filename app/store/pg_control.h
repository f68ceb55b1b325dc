/* pg_control of a PGDATA: whose it is, and that it is whole. */
#ifndef PGBERTH_STORE_PG_CONTROL_H
#define PGBERTH_STORE_PG_CONTROL_H

#include <stdbool.h>

#include "base/error.h"

/*
 * Gives the cluster at data (a directory descriptor; never started since its clean
 * shutdown) a random system identifier: in global/pg_control, whose CRC-32C is made
 * anew, and in the long page header that each WAL segment begins with.
 */
bool pg_control_renew(int data, struct error *err);

/*
 * global/pg_control is whole (its CRC fits) and of the same format and catalogs as that
 * of the template, both directory descriptors. Errors: ERR_FOREIGN_DATA.
 */
bool pg_control_check(int data, int template, struct error *err);

#endif
