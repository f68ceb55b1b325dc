/* Deleted instances, kept with their uids, moved in and out by one rename. */
#ifndef PGBERTH_STORE_TRASH_H
#define PGBERTH_STORE_TRASH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "model/record.h"

/* A trash entry. Times are seconds since 1970. */
#define TRASH_ID_SIZE 128
struct trash_entry {
	char id[TRASH_ID_SIZE];
	char storage_dir[NAME_SIZE]; /* from its record; "": the record cannot be read */
	int version;
	long long trashed_at;
};

/* [A-Za-z0-9][A-Za-z0-9_.-]*, shorter than TRASH_ID_SIZE. */
bool store_trash_id_is_valid(const char *id);

/* The storage_dir that an id begins with; "" when the id has another form. */
void store_trash_name(const char *id, char ret_name[NAME_SIZE]);

/* Moves an instance to the trash; its uid stays taken. */
bool store_trash(const struct record *record, struct error *err);

/* Lists all entries in *ret (array of *ret_count, which the caller frees), by id. */
bool store_trash_list(struct trash_entry **ret, size_t *ret_count, struct error *err);

/* The storage_dir of an entry's record, which an operator may have put below the id of
 * another; "": the record cannot be read. */
void store_trash_record_name(const char *id, char ret_name[NAME_SIZE]);

/* Reads the record of an entry. Errors: ERR_NOT_FOUND; ERR_FOREIGN_DATA when it has no
 * record or its uid belongs to another too. */
bool store_trash_find(const char *id, struct record *ret, struct error *err);

/* Moves an entry back to the instances, under the name in its record. Errors:
 * ERR_NOT_FOUND; ERR_FOREIGN_DATA when a directory of that name exists. */
bool store_trash_restore(const char *id, const struct record *record, struct error *err);

/* Removes an entry for good, and frees its uid. Errors: ERR_NOT_FOUND. May take long. */
bool store_trash_remove(const char *id, struct error *err);

#endif
