/* Records are in instance.json, replaced as a whole or not at all and synced to disk,
 * even on a full disk: then the reserve is spent. */
#ifndef PGBERTH_STORE_RECORD_FILE_H
#define PGBERTH_STORE_RECORD_FILE_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"

bool store_save(const struct record *record, struct error *err);

/*
 * For store/ alone: the record in a directory below parent, or in dir itself. Members
 * that a later pgberthd wrote are kept. Errors: ERR_FOREIGN_DATA: it cannot be
 * understood.
 */
bool store_record_read(int parent, const char *name, struct record *ret,
		       struct error *err);

/* True for a record, even one that cannot be understood, with a uid from first to last. */
bool store_record_has_uid(int parent, const char *name, int first, int last);
bool store_record_write(int dir, const struct record *record, struct error *err);

#endif
