/*
 * A directory among the instances that is none of them, of another host or a copy: it is
 * looked at and left as it is, its uids taken, until somebody adopts it.
 */
#ifndef PGBERTH_STORE_FOREIGN_H
#define PGBERTH_STORE_FOREIGN_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"
#include "store/template.h"

/* The uids that its record and its pg/ name are taken as long as it is held. Holding it
 * again looks at it anew. True when it has a record that can be read. */
bool store_foreign_hold(const char *name);
void store_foreign_drop(const char *name);

/* Its record, whatever name and uid that says. Errors: ERR_FOREIGN_DATA. */
bool store_foreign_read(const char *name, struct record *ret, struct error *err);

/*
 * Whether a foreign directory, whose disk this mounts if it has one, can be given to
 * anybody: nothing but conf/ and whole data in it, all of it on its own disk and nowhere
 * else. *ret_owner: whose the data are. Errors: ERR_FOREIGN_DATA with what is wrong.
 */
bool store_foreign_check(const struct record *record, const struct template *template,
			 int *ret_owner, struct error *err);

/*
 * Gives all of it to record->uid, then saves the record: an instance from then on. Until
 * then store_load() takes it for foreign, however far it got; was_uid is what its record
 * says before. Its disk is not mounted afterwards.
 */
bool store_foreign_adopt(const struct record *record, int was_uid, struct error *err);

/*
 * A uid for the instance that a foreign directory becomes: `first`, if that or another
 * one of those that are held for it is in the range and nobody else's, else a new one.
 * It is taken besides, to be released if nothing comes of it. Errors: ERR_NO_SPACE.
 */
bool store_foreign_uid(const char *name, int first, int *ret_uid, struct error *err);

#endif
