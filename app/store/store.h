/*
 * Directories, records, locks on disk, uids, trash: the only module that touches the
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
 * Errors of all: ERR_NO_SPACE when the disk is full, ERR_INTERNAL else, unless said.
 * Any thread, the caller holding the instance's lock.
 */
#ifndef PGBERTH_STORE_H
#define PGBERTH_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/usage.h"
#include "model/config.h"
#include "model/record.h"

/* What the image role left for a major. */
struct template
{
	char image_id[80];
	char directory[64]; /* below templates/<major>/ */
	char libc[16], icu[16];
};

/* A file of ours in conf/. */
struct conf_file {
	const char *name;
	const char *content;
};

/* Main thread, once: makes what is missing below <root>, takes the lock, sets what is
 * in staging/ aside. Errors: ERR_BUSY when another pgberthd has the root. */
bool store_open(const struct config *cfg, struct error *err);

/*
 * Calls each(record, user) for every instance, and broken(name, why, user) for every
 * directory that is none: without a readable record, or with one that does not fit it. No
 * two instances share a uid, nor does one with what is in the trash. Counts the uids of
 * instances and trash as taken. Main thread.
 */
bool store_load(void (*each)(struct record *record, void *user),
		void (*broken)(const char *name, const char *why, void *user), void *user,
		struct error *err);

/* A uid that nobody has: no instance, nothing in the trash, no foreign directory. Errors:
 * ERR_NO_SPACE. */
bool store_uid_take(int *ret_uid, struct error *err);
void store_uid_release(int uid);

/*
 * A directory that is none of the instances: the uids that its record and its pg/ name are
 * taken as long as it is held. Holding it again looks at it anew. True when it has a record
 * that can be read.
 */
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
 * A uid for the instance that a foreign directory becomes: `first`, if that or another one
 * of those that are held for it is in the range and nobody else's, else a new one. It is
 * taken besides, to be released if nothing comes of it. Errors: ERR_NO_SPACE.
 */
bool store_foreign_uid(const char *name, int first, int *ret_uid, struct error *err);

/* Errors: ERR_IMAGE_MISSING when the major has no template. */
bool store_template(int version, struct template *ret, struct error *err);

/* A data directory that was made before anybody asked for it, with its owner's uid. */
struct spare {
	char name[112]; /* in staging/; room for NAME.20260101T000000Z.<random> */
	char template[64];
	int version, uid;
};

/* Makes one, synced to disk; it counts until it is taken. */
bool store_spare_make(int version, struct error *err);
int store_spare_count(int version);

/* Takes one that was made from this template; false when there is none. */
bool store_spare_take(int version, const struct template *template, struct spare *ret);

/* Makes <root>/instances/<name> with the record, conf files and pg/, all at once: the
 * spare, which is used up in any case, or an empty one where spare is NULL. Errors:
 * ERR_FOREIGN_DATA when something of that name is there already. */
bool store_take(const struct record *record, const struct conf_file *files,
		const struct spare *spare, struct error *err);

/* Fills pg/ with a copy of the template, under a system identifier of its own, synced
 * to disk. All at once: pg/ is empty or whole; but where there is a quota: there it is made
 * at its place, and the instance is to be discarded when that fails. */
bool store_fill(const struct record *record, const struct template *template,
		struct error *err);

/* Replaces the record / a file of conf/, whole or not at all, synced to disk. */
bool store_save(const struct record *record, struct error *err);
bool store_conf_write(const struct record *record, const struct conf_file *file,
		      struct error *err);
bool store_conf_equals(const struct record *record, const struct conf_file *file);
void store_conf_remove(const struct record *record, const char *name);

/*
 * The disk of an instance with a quota is mounted unless it is stored: mounts it where it
 * is not, and grows it where the record's disk_mb is more. One that stopped itself, after an
 * error of the disk below, is mounted anew if no container of the instance is there
 * (is_idle), which heals it; else it is left. Without a quota all these do nothing.
 * Errors: ERR_FOREIGN_DATA: its image is missing or damaged.
 */
bool store_disk_can(struct error *err); /* ERR_INVALID naming disk_mb: not here */
bool store_disk_up(const struct record *record, bool is_idle, struct error *err);
bool store_disk_down(const struct record *record, struct error *err);
bool store_disk_has_stopped(const struct record *record);

/* What it has been grown to already, which cannot be undone: no less than the record's. */
int store_disk_mb(const struct record *record);

/* So full that a server cannot live on it. */
bool store_disk_is_full(const struct record *record);

/* Removes an instance whose create was never acknowledged, for good. */
bool store_discard(const char *name, struct error *err);

/* One thing in the trash. Times are seconds since 1970. */
#define TRASH_ID_SIZE 128
struct trash_entry {
	char id[TRASH_ID_SIZE];
	char storage_dir[NAME_SIZE]; /* whose record it has; "": it cannot be read */
	int version;
	long long trashed_at;
};

/* [A-Za-z0-9][A-Za-z0-9_.-]*, shorter than TRASH_ID_SIZE. */
bool store_trash_id_is_valid(const char *id);

/* The storage_dir that an id begins with; "" when it is none of ours. */
void store_trash_name(const char *id, char ret_name[NAME_SIZE]);

/* Moves an instance to the trash; its uid stays taken. */
bool store_trash(const char *name, struct error *err);

/* All of it in *ret (array of *ret_count, to be freed), by id. */
bool store_trash_list(struct trash_entry **ret, size_t *ret_count, struct error *err);

/* What is there under that id. Errors: ERR_NOT_FOUND, ERR_FOREIGN_DATA: no record, or
 * its uid is another's, too. */
bool store_trash_find(const char *id, struct record *ret, struct error *err);

/* Moves it back to the instances, under its own name. Errors: ERR_NOT_FOUND,
 * ERR_FOREIGN_DATA: a directory of that name is there. */
bool store_trash_restore(const char *id, const char *name, struct error *err);

/* Removes it for good, and frees its uid. Errors: ERR_NOT_FOUND. May take long. */
bool store_trash_remove(const char *id, struct error *err);

/* Makes, or makes whole again, the reserve for a full disk if there is room. */
void store_reserve_fill(void);

/* Removes what an earlier process left in staging. May take long. */
void store_clear_old_staging(void);

/*
 * The contract with a data directory before a server starts on it: it is there, whole,
 * the tenant's own, of this major, and its text is sorted as this image sorts it. Where
 * a password is to be set it is no standby either, and unless its settings are set aside
 * they are in a file. Whose those of a foreign directory are does not matter. Changes
 * nothing. Errors: ERR_FOREIGN_DATA with what is wrong.
 */
enum store_use { STORE_READ, STORE_WRITTEN, STORE_SAFE, STORE_FOREIGN };
bool store_check(const struct record *record, const struct template *template,
		 enum store_use use, struct error *err);

/* Whether anything of that name is among the instances. */
bool store_exists(const char *name);

/* Calls each(name, user) for whatever is among the instances. */
bool store_names(void (*each)(const char *name, void *user), void *user,
		 struct error *err);

/*
 * Sets the tenant's postgresql.auto.conf aside, under a name that is returned ("": there
 * was none), and puts it back.
 */
#define ASIDE_SIZE 64
bool store_auto_conf_aside(const struct record *record, char ret_name[ASIDE_SIZE],
			   struct error *err);
void store_auto_conf_back(const struct record *record, const char *name);

/* Paths as the engine mounts them. Caller frees; NULL: memory. */
char *store_path(const char *name, const char *sub);

/* The socket directory, opened and checked to be the tenant's own. -1 with err. */
int store_open_run(const struct record *record, struct error *err);

/* The server's socket in it, to be connected to through /proc/self/fd. -1 with errno:
 * ELOOP or ENOTSOCK when something else is in its place. */
int store_open_socket(int run_dir);

/* True when the server's postmaster.pid says that it accepts connections: a hint,
 * since the file is the tenant's. */
bool store_says_ready(const struct record *record);

/*
 * Removes what a killed server left: its pid and socket files. Their pids are of another
 * PID namespace, so PostgreSQL might take one of its own processes for the other server.
 * Only while no container of the instance runs: pgberth is the lock.
 */
void store_clear_stale(const struct record *record);

/* Appends the last `tail` lines of the newest server log files, at most 1 MiB. */
bool store_log_tail(const struct record *record, int tail, struct buf *log,
		    struct error *err);

/* Removes the oldest server logs until the rest fits into log_mb. */
void store_log_prune(const struct record *record);

/* What the file system under <root> has left; percent is of bytes or inodes, the less. */
struct space {
	uint64_t free_bytes, total_bytes;
	int free_percent;
};
bool store_space(struct space *ret, struct error *err);

/* What an instance takes of the disk; of an image, the bytes that it takes. Slow. */
struct usage store_usage(const char *name);

#endif
