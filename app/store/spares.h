/*
 * Data directories made before anybody asks for them, so that a create need not wait for
 * the disk: a thread makes as many of each major as configured, and another whenever one
 * was taken.
 */
#ifndef PGBERTH_STORE_SPARES_H
#define PGBERTH_STORE_SPARES_H

#include <stdbool.h>

#include "base/error.h"
#include "store/staging.h"
#include "store/template.h"

/* A spare, with its owner's uid. */
struct spare {
	char name[STORE_TEMPORARY_SIZE]; /* in staging/ */
	char template[64];
	int version, uid;
};

/* Main thread. */
bool spares_start(struct error *err);
void spares_stop(void);

/* Takes a spare made from this template; false when there is none. Any thread. */
bool store_spare_take(int version, const struct template *template, struct spare *ret);

/* Tells the thread that a spare has been taken. Any thread. */
void spares_poke(void);

#endif
