/*
 * <root>/reserve: a few megabytes given back piece by piece when the disk is full, so
 * that records can still be written: deleting must work then more than ever.
 */
#ifndef PGBERTH_STORE_RESERVE_H
#define PGBERTH_STORE_RESERVE_H

#include <stdbool.h>

/* Makes it, or makes it whole again, if there is room. */
void store_reserve_fill(void);

/* Gives a piece of it back; false when there is none left. */
bool store_reserve_spend(void);

#endif
