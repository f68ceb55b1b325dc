/*
 * Keeps a configured share of the disk free for existing servers: below it nothing new is
 * made, and the biggest instances are named. Any thread, unless noted.
 */
#ifndef PGBERTH_STORE_SPACE_GUARD_H
#define PGBERTH_STORE_SPACE_GUARD_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"
#include "store/space.h"

#define SPACE_GUARD_BIGGEST 5

struct space_guard {
	struct space space;
	bool is_low;
	/* The biggest instances, in descending order; measured while the disk is low. A
	 * tree too large to count comes first: only a hostile tenant has one. */
	struct {
		char storage_dir[NAME_SIZE];
		struct usage usage;
	} biggest[SPACE_GUARD_BIGGEST];
	int count;
};

/* Errors: ERR_NO_SPACE when the disk is low. */
bool space_guard_has_room(struct error *err);

/* Current space and the last measurement. */
bool space_guard_look(struct space_guard *ret, struct error *err);

/* Measures the instances if the disk is low. Slow; one thread. */
void space_guard_measure(void);

#endif
