/*
 * Keeps a few megabytes in <root>/reserve, given back piece by piece when the disk is
 * full: records can still be written then, so that servers can be deleted.
 */
#ifndef PGBERTH_STORE_RESERVE_H
#define PGBERTH_STORE_RESERVE_H

#include <stdbool.h>

/* Makes the reserve, or fills it up again, if there is room. */
void store_reserve_fill(void);

/* Gives a piece of the reserve back to the disk; false when none is left. */
bool store_reserve_spend(void);

#endif
