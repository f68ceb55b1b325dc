/*
 * Opens directories below <root> and their content, for store/ alone: by descriptor,
 * never through a link, and a tenant's own only after a check of its owner.
 */
#ifndef PGBERTH_STORE_TREE_H
#define PGBERTH_STORE_TREE_H

#include <sys/stat.h>

#include "base/error.h"
#include "model/record.h"

/* Directories that stay open as long as pgberthd runs. */
struct store_tree {
	int root, instances, staging, trash;
};
extern struct store_tree store_tree;

/* Opens an instance's directory; -1 with err. */
int store_instance_open(const char *name, struct error *err);

/* Opens a directory below an instance, beneath it: any owner's, or checked to be the
 * tenant's. -1 with err. */
int store_sub_dir(const struct record *record, const char *sub, struct stat *ret_status,
		  struct error *err);
int store_tenant_dir(const struct record *record, const char *sub, struct error *err);

/* Gives pg/ itself to root and this group. With a quota there are two, below the mount and
 * in it: the one that is to be seen now. */
bool store_pg_give(const struct record *record, int gid, struct error *err);

/* Calls each(name, user) for the entries of a directory that are not hidden. */
bool store_names_walk(int dir, void (*each)(const char *name, void *user), void *user,
		      struct error *err);

/* The uid that owns the content, 0: unknown. */
int store_owner(int parent, const char *name);

#endif
