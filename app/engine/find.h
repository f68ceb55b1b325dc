/* Finds containers. Errors: ERR_ENGINE. Any thread. */
#ifndef PGBERTH_ENGINE_FIND_H
#define PGBERTH_ENGINE_FIND_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "engine/container.h"

/* Finds the container of an instance; a missing one is no error (exists = false). */
bool engine_inspect(const char *storage_dir, struct container *ret, struct error *err);

/* The same by id or name, of whichever owner. */
bool engine_inspect_one(const char *id_or_name, struct container *ret, struct error *err);

/* Finds out whether the engine has a container with this id, of any owner. */
bool engine_knows(const char *id, bool *ret, struct error *err);

/* Lists all of this pgberth's containers, running or not, in *ret (array of *ret_count,
 * which the caller frees). Of each: storage_dir, id, is_running, port. */
bool engine_list(struct container **ret, size_t *ret_count, struct error *err);

/* The same of those of one instance. */
bool engine_list_of(const char *storage_dir, struct container **ret, size_t *ret_count,
		    struct error *err);

#endif
