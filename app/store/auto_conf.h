/* A tenant's own settings, set aside for a start without them. Callers hold the instance's
 * lock, and no server runs; any thread. */
#ifndef PGBERTH_STORE_AUTO_CONF_H
#define PGBERTH_STORE_AUTO_CONF_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"

/* True when the tenant's postgresql.auto.conf may set something. */
bool store_has_auto_conf(const struct record *record);

/*
 * Sets the tenant's postgresql.auto.conf aside, and puts it back. What its data demand
 * stays in a new one, atomically.
 */
#define ASIDE_SIZE 64
struct auto_conf_aside {
	char name[ASIDE_SIZE]; /* of the old file; "": there was none */
	char kept[240];	       /* names of the settings that stay; "": none */
};
bool store_auto_conf_aside(const struct record *record, struct auto_conf_aside *ret,
			   struct error *err);
void store_auto_conf_back(const struct record *record,
			  const struct auto_conf_aside *aside);

#endif
