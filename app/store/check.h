/* The contract with a data directory before a server starts on it, and its settings,
 * which are set aside for a start that does without them. */
#ifndef PGBERTH_STORE_CHECK_H
#define PGBERTH_STORE_CHECK_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"
#include "store/template.h"

/*
 * The data directory is there, whole, the tenant's own, of this major, and its text is
 * sorted as this image sorts it. Where a password is to be set it is no standby either,
 * and unless its settings are set aside they are in a file. The owner of a foreign
 * directory does not matter. Changes nothing. Errors: ERR_FOREIGN_DATA with what is
 * wrong.
 */
enum store_use { STORE_READ, STORE_WRITTEN, STORE_SAFE, STORE_FOREIGN };
bool store_check(const struct record *record, const struct template *template,
		 enum store_use use, struct error *err);

/*
 * Sets the tenant's postgresql.auto.conf aside, under a name that is returned ("": there
 * was none), and puts it back.
 */
#define ASIDE_SIZE 64
bool store_auto_conf_aside(const struct record *record, char ret_name[ASIDE_SIZE],
			   struct error *err);
void store_auto_conf_back(const struct record *record, const char *name);

#endif
