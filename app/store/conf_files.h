/* Files of conf/ belong to pgberth: the server can read them, but not change them. Each
 * is replaced as a whole or not at all, and synced to disk. */
#ifndef PGBERTH_STORE_CONF_FILES_H
#define PGBERTH_STORE_CONF_FILES_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "model/record.h"

struct conf_file {
	const char *name;
	const char *content;
};

bool store_conf_write(const struct record *record, const struct conf_file *file,
		      struct error *err);
bool store_conf_read(const struct record *record, const char *name, struct buf *ret,
		     struct error *err);
bool store_conf_equals(const struct record *record, const struct conf_file *file);
void store_conf_remove(const struct record *record, const char *name);

/* For store/ alone: writes to the conf/ of an instance's directory. */
bool store_conf_write_at(int dir, const struct record *record,
			 const struct conf_file *file, struct error *err);

#endif
