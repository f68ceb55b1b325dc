/*
 * Directories, records, locks on disk, uids, trash: only the files of this folder touch the
 * instances' tree. A tenant owns what is below an instance's pg/ and may have put
 * anything there, so nothing below it is opened but beneath it and without following
 * links (openat2(2): RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS).
 *
 *   <root>/lock                       one pgberthd per root
 *   <root>/templates/<major>/         manifest.json and the initialised PGDATA
 *   <root>/reserve                    a few megabytes for a full disk
 *   <root>/staging/                   what is being made or removed; set aside at start
 *   <root>/instances/<storage_dir>/   instance.json, conf/ (ours), pg/{data,run,log}, and
 *                                     pg.img, mounted at pg/, where there is a quota
 *   <root>/trash/<storage_dir>.<time>.<random>/
 *
 * This header opens the tree and tells what is in it. Errors, here and in all of store/,
 * unless said: ERR_NO_SPACE when the disk is full, ERR_INTERNAL else. Any thread, the
 * caller holding the instance's lock.
 */
#ifndef PGBERTH_STORE_H
#define PGBERTH_STORE_H

#include <stdbool.h>

#include "base/error.h"

/* Makes missing directories below <root>, takes the lock, sets the content of staging/
 * aside. Main thread, once. Errors: ERR_BUSY when another pgberthd has the root. */
bool store_open(struct error *err);

/* True when the instances' directory has an entry of that name. */
bool store_exists(const char *name);

/* Calls each(name, user) for every entry among the instances. */
bool store_names(void (*each)(const char *name, void *user), void *user,
		 struct error *err);

/* Paths as the engine mounts them. Caller frees; NULL: memory. */
char *store_path(const char *name, const char *sub);

#endif
