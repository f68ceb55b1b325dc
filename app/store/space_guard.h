/*
 * The disk guard: below a configured free share nothing new is made, so that the servers
 * there are have room to live, and the biggest are named. Any thread, unless said.
 */
#ifndef PGBERTH_STORE_SPACE_GUARD_H
#define PGBERTH_STORE_SPACE_GUARD_H

#include <stdbool.h>

#include "base/error.h"
#include "model/config.h"
#include "model/record.h"
#include "store/space.h"

#define SPACE_GUARD_BIGGEST 5

struct space_guard {
	struct space space;
	bool is_low;
	/* The biggest instances, the first ones first; measured while it is low. What has
	 * more than can be counted is bigger than all else: nobody but the hostile has. */
	struct {
		char storage_dir[NAME_SIZE];
		struct usage usage;
	} biggest[SPACE_GUARD_BIGGEST];
	int count;
};

/* Main thread, once. */
void space_guard_init(const struct config *cfg);

/* Errors: ERR_NO_SPACE when the disk is low. */
bool space_guard_has_room(struct error *err);

/* What there is to tell. */
bool space_guard_look(struct space_guard *ret, struct error *err);

/* Measures the instances if the disk is low. Slow; one thread. */
void space_guard_measure(void);

#endif
