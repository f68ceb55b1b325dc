/* Which directories are instances, and which are only alike. */
#include "store/load.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/mention.h"
#include "base/scope.h"
#include "store/record_file.h"
#include "store/tree.h"
#include "store/uid.h"

struct candidate {
	char name[NAME_MAX + 1];
	long long born_ns; /* since 1970; 0: unknown to the file system */
	char *why;	   /* reason that it is not an instance; NULL: it is one */
};

struct candidates {
	struct candidate *list;
	size_t count;
	bool ok;
};

static void candidates_done(struct candidates *candidates)
{
	for (size_t i = 0; i < candidates->count; i++)
		free(candidates->list[i].why);
	free(candidates->list);
}

#define AUTO_CANDIDATES __attribute__((cleanup(candidates_done))) struct candidates

/* Time at which a directory was made in this file system, which a copy cannot forge. */
static long long born(const char *name)
{
	struct statx status;

	if (statx(store_tree.instances, name, AT_SYMLINK_NOFOLLOW, STATX_BTIME,
		  &status) != 0 ||
	    !(status.stx_mask & STATX_BTIME))
		return 0;
	return status.stx_btime.tv_sec * 1000000000LL + status.stx_btime.tv_nsec;
}

static void candidate_add(const char *name, void *user)
{
	struct candidates *candidates = user;
	struct candidate *grown =
		realloc(candidates->list, (candidates->count + 1) * sizeof(*grown));

	if (!grown) {
		candidates->ok = false;
		return;
	}
	candidates->list = grown;
	grown += candidates->count++;
	*grown = (struct candidate){ .born_ns = born(name) };
	snprintf(grown->name, sizeof(grown->name), "%s", name);
}

static int candidate_order(const void *left, const void *right)
{
	const struct candidate *one = left, *other = right;

	if (one->born_ns != other->born_ns)
		return one->born_ns < other->born_ns ? -1 : 1;
	return strcmp(one->name, other->name);
}

/* A create that was cut off may not have given the disk to its uid yet: not checked. */
static bool owner_fits(const struct record *record, struct error *err)
{
	AUTO_CLOSE int dir = files_open_dir(store_tree.instances, record->storage_dir);
	struct stat status;

	if (!record->acknowledged || dir < 0 ||
	    fstatat(dir, "pg", &status, AT_SYMLINK_NOFOLLOW) != 0)
		return true; /* a start reports what is missing */
	return record_has_uid(record, status.st_gid) ||
	       fail(err, ERR_FOREIGN_DATA,
		    "its data belong to user %u, but its record says %d", status.st_gid,
		    record->uid);
}

/*
 * Checks that a directory is what its record says, and that no other has its uid. Of two
 * directories with one uid, the original keeps it, as far as that can be told: a
 * directory under another name than its record's is a copy, and of the rest the one that
 * was made first here is the original (else the first by name), since candidates come in
 * that order.
 */
static bool record_fits(const char *name, const struct record *record, struct error *err)
{
	if (strcmp(record->storage_dir, name) != 0)
		return fail(err, ERR_FOREIGN_DATA, "its record belongs to " MENTION,
			    record->storage_dir);
	if (!store_uid_is_possible(record->uid))
		return fail(err, ERR_FOREIGN_DATA,
			    "its uid %d is outside of uid_min to uid_max", record->uid);
	return owner_fits(record, err) &&
	       (!store_uid_takers(record->uid) ||
		fail(err, ERR_FOREIGN_DATA, "its uid %d is already taken", record->uid));
}

static bool candidate_is_whole(struct candidate *candidate, struct record *record,
			       struct error *err)
{
	return store_record_read(store_tree.instances, candidate->name, record, err) &&
	       record_fits(candidate->name, record, err);
}

static void trash_load(const char *name, void *user)
{
	(void)user;
	store_hold(store_tree.trash, name);
}

static bool candidates_read(struct candidates *ret, struct error *err)
{
	ret->ok = true;
	if (!store_names_walk(store_tree.instances, candidate_add, ret, err))
		return false;
	if (!ret->ok)
		return fail(err, ERR_INTERNAL, "out of memory");
	if (ret->count > 0)
		qsort(ret->list, ret->count, sizeof(*ret->list), candidate_order);
	return true;
}

bool store_load(void (*each)(struct record *record, void *user),
		void (*broken)(const char *name, const char *why, void *user), void *user,
		struct error *err)
{
	AUTO_CANDIDATES candidates = { 0 };

	if (!store_names_walk(store_tree.trash, trash_load, NULL, err) ||
	    !candidates_read(&candidates, err))
		return false;
	for (size_t i = 0; i < candidates.count; i++) {
		struct candidate *candidate = &candidates.list[i];
		AUTO_RECORD record = { 0 };
		struct error why;

		if (candidate_is_whole(candidate, &record, &why)) {
			store_uid_mark_record(&record);
			each(&record, user);
			continue;
		}
		candidate->why = strdup(why.message);
		if (!candidate->why)
			return fail(err, ERR_INTERNAL, "out of memory");
	}
	/* The rest comes last, since it takes uids that belong to instances. */
	for (size_t i = 0; i < candidates.count; i++)
		if (candidates.list[i].why)
			broken(candidates.list[i].name, candidates.list[i].why, user);
	return true;
}
