/*
 * Foreign directories lie among the instances without being one: they come from another
 * host, or are copies. They are left as they are, their uids taken, until somebody adopts
 * them.
 */
#ifndef PGBERTH_STORE_FOREIGN_H
#define PGBERTH_STORE_FOREIGN_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"
#include "store/template.h"

/* Keeps the uids of its record and of its pg/ taken as long as the directory is held.
 * Holding it again reads both again. True when its record can be read. */
bool store_foreign_hold(const char *name);
void store_foreign_drop(const char *name);

/* Reads its record, whatever name and uid that has. Errors: ERR_FOREIGN_DATA. */
bool store_foreign_read(const char *name, struct record *ret, struct error *err);

/*
 * Checks that a foreign directory can be given to a new owner: it holds nothing but conf/
 * and whole data, all on its own disk and under no other name. Mounts its disk if it has
 * one. *ret_owner: owner of the data. Errors: ERR_FOREIGN_DATA with the reason.
 */
bool store_foreign_check(const struct record *record, const struct template *template,
			 int *ret_owner, struct error *err);

/*
 * Gives the whole directory to record->uid, then saves the record, which makes it an
 * instance. Until then store_load() takes it for foreign, however far this got; was_uid
 * is the uid in its old record. Its disk is not mounted afterwards.
 */
bool store_foreign_adopt(const struct record *record, int was_uid, struct error *err);

/*
 * Takes a uid for the instance that a foreign directory becomes: `first`, or another one
 * that is held for it, if it is in the range and no other directory's; else a new one.
 * The caller releases it if the adoption fails. Errors: ERR_NO_SPACE.
 */
bool store_foreign_uid(const char *name, int first, int *ret_uid, struct error *err);

#endif
