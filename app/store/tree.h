/* Between the store*.c files. */
#ifndef PGBERTH_STORE_TREE_H
#define PGBERTH_STORE_TREE_H

#include "base/error.h"
#include "model/config.h"
#include "model/record.h"
#include "store/store.h"

/* Directories of the tree, open as long as pgberthd runs. */
struct store_tree {
	const struct config *config;
	int root, instances, staging, trash;
};
extern struct store_tree store_tree;

/* In staging: a name that nothing else has, and the removal of what has it. */
#define STORE_TEMPORARY_SIZE sizeof(((struct spare *)0)->name)
void store_temporary_name(char name[STORE_TEMPORARY_SIZE], const char *base);
void store_staging_clear(const char *name);

/* <root>/staging.old.<random>: what an earlier process left. */
#define STORE_OLD_STAGING "staging.old"

/* The record and a file of conf/ in a directory below parent, or in dir itself. */
bool store_record_read(int parent, const char *name, struct record *ret,
		       struct error *err);

bool store_record_write(int dir, const struct record *record, struct error *err);
bool store_conf_write_at(int dir, const struct record *record,
			 const struct conf_file *file, struct error *err);

/* Gives a piece of the reserve back to a full disk; false when there is none left. */
bool store_reserve_spend(void);

/* An instance's directory; -1 with err. */
int store_instance_open(const char *name, struct error *err);

/* The template's PGDATA; -1 with err. */
int store_template_open(int version, const struct template *template, struct error *err);

/* Calls each(name, user) for the entries of a directory that are not hidden. */
bool store_names_walk(int dir, void (*each)(const char *name, void *user), void *user,
		      struct error *err);

/* Makes the disk of an instance with a quota, and mounts it: its pg/, opened; -1 with err. */
int store_image_make(const struct record *record, struct error *err);

/* The disk of a copy, which is not mounted, becomes another one than the original's. */
bool store_image_renew(const struct record *record, struct error *err);

/* The uid that owns what is in there, 0: unknown. */
int store_owner(int parent, const char *name);

/* Of store_uid.c: before all else; one more has it; how many have; whether it is in the
 * range. */
bool store_uid_init(struct error *err);
void store_uid_mark(int uid);
int store_uid_takers(int uid);
bool store_uid_is_ours(int uid);

/* Takes the uids that a directory names, as store_foreign_hold() says; ends that; whether
 * it is so. */
bool store_hold(int parent, const char *name);
void store_hold_end(int parent, const char *name);
bool store_is_held(int parent, const char *name);

/* A directory below an instance, opened beneath it; whoever's, or checked to be the tenant's.
 * -1 with err. */
struct stat;
int store_sub_dir(const struct record *record, const char *sub, struct stat *ret_status,
		  struct error *err);
int store_tenant_dir(const struct record *record, const char *sub, struct error *err);

#endif
