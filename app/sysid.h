/* A system identifier of its own for a copied PGDATA. */
#ifndef PGBERTH_SYSID_H
#define PGBERTH_SYSID_H

#include "error.h"

/*
 * Gives the cluster at data (a directory descriptor; never started since its clean
 * shutdown) a random system identifier: in global/pg_control, whose CRC-32C is made
 * anew, and in the long page header that each WAL segment begins with.
 */
bool sysid_renew(int data, struct error *err);

#endif
