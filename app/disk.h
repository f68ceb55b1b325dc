/*
 * The disk guard: below a configured free share nothing new is made, so that the servers
 * there are have room to live, and the biggest are named. Any thread, unless said.
 */
#ifndef PGBERTH_DISK_H
#define PGBERTH_DISK_H

#include <stdbool.h>

#include "config.h"
#include "error.h"
#include "record.h"
#include "store.h"

#define DISK_BIGGEST 5

struct disk {
	struct space space;
	bool is_low;
	/* The biggest instances, the first ones first; measured while it is low. What has
	 * more than can be counted is bigger than all else: nobody but the hostile has. */
	struct {
		char storage_dir[NAME_SIZE];
		struct usage usage;
	} biggest[DISK_BIGGEST];
	int count;
};

/* Main thread, once. */
void disk_init(const struct config *cfg);

/* Errors: ERR_NO_SPACE when the disk is low. */
bool disk_has_room(struct error *err);

/* What there is to tell. */
bool disk_look(struct disk *ret, struct error *err);

/* Measures the instances if the disk is low. Slow; one thread. */
void disk_measure(void);

#endif
