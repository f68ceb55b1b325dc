/*
 * Format: struct xl_xact_prepare, the gid, then records of which those of locks are a
 * TwoPhaseRecordOnDisk and a TwoPhaseLockRecord, each aligned to 8 bytes (twophase.c,
 * lock.c, lock.h of PostgreSQL, alike in all majors since 15). Lock records are found by
 * what they are made of, since what lies between differs.
 */
#include "store/prepared.h"

#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/files_walk.h"
#include "base/scope.h"
#include "base/utf8.h"
#include "store/tree.h"

#define STATE_DIR "pg/data/pg_twophase"
#define STATE_MAX (1 << 20)
#define MAGIC 0x57F94534
#define GID_OFFSET 72
#define GID_MAX 200
#define RECORD_HEAD 8
#define ASIDE ".aside"

struct lock_record {
	uint32_t length;
	uint8_t manager;
	uint8_t padding;
	uint16_t info;
	uint32_t database, relation, unused;
	uint16_t unused_too;
	uint8_t type, method;
	int32_t mode;
};

#define LOCK_BYTES (sizeof(struct lock_record) - RECORD_HEAD)

/* An exclusive lock on a table that all databases share. */
static bool is_lock_of_all(const struct lock_record *record)
{
	return record->length == LOCK_BYTES && record->manager == 1 &&
	       record->database == 0 && record->relation != 0 && record->type == 0 &&
	       record->method == 1 && record->mode == 8;
}

static bool state_locks_all(const struct buf *state)
{
	struct lock_record record;

	for (size_t at = GID_OFFSET; at + sizeof(record) <= state->length; at += 8) {
		memcpy(&record, state->data + at, sizeof(record));
		if (is_lock_of_all(&record))
			return true;
	}
	return false;
}

/* The gid of a state file that holds such a lock. */
static bool state_read(int dir, const char *name, char ret_gid[PREPARED_GID_SIZE])
{
	AUTO_BUF state = { 0 };
	struct error ignored;
	char gid[GID_MAX + 1];
	uint32_t magic;

	if (strspn(name, "0123456789ABCDEF") != strlen(name) ||
	    !files_read(dir, name, STATE_MAX, &state, &ignored) ||
	    state.length <= GID_OFFSET)
		return false;
	memcpy(&magic, state.data, sizeof(magic));
	if (magic != MAGIC || !state_locks_all(&state))
		return false;
	snprintf(gid, sizeof(gid), "%.*s", (int)(state.length - GID_OFFSET),
		 state.data + GID_OFFSET);
	utf8_one_line(ret_gid, PREPARED_GID_SIZE, gid);
	return true;
}

/* Fills ret with up to PREPARED_MAX of them. False when the directory cannot be read. */
static bool states_list(int dir, struct prepared_aside *ret)
{
	DIR *list = files_stream(dir);
	struct dirent *entry;
	char gid[PREPARED_GID_SIZE];

	*ret = (struct prepared_aside){ 0 };
	if (!list)
		return false;
	while (ret->count < PREPARED_MAX && (entry = readdir(list))) {
		if (strlen(entry->d_name) + sizeof(ASIDE) > PREPARED_FILE_SIZE ||
		    !state_read(dir, entry->d_name, gid))
			continue;
		if (!ret->count)
			memcpy(ret->gid, gid, sizeof(gid));
		snprintf(ret->file[ret->count++], PREPARED_FILE_SIZE, "%s",
			 entry->d_name);
	}
	closedir(list);
	return true;
}

bool store_prepared_locks(const struct record *record, char ret_gid[PREPARED_GID_SIZE])
{
	struct error ignored;
	AUTO_CLOSE int dir = store_tenant_dir(record, STATE_DIR, &ignored);
	struct prepared_aside found;

	if (dir < 0 || !states_list(dir, &found) || !found.count)
		return false;
	memcpy(ret_gid, found.gid, PREPARED_GID_SIZE);
	return true;
}

/* Gives all of them the other name. */
static bool states_rename(int dir, const struct prepared_aside *aside, bool back)
{
	bool ok = true;

	for (int i = 0; i < aside->count; i++) {
		char name[PREPARED_FILE_SIZE + sizeof(ASIDE)];

		snprintf(name, sizeof(name), "%s" ASIDE, aside->file[i]);
		ok = renameat(dir, back ? name : aside->file[i], dir,
			      back ? aside->file[i] : name) == 0 &&
		     ok;
	}
	return ok && fsync(dir) == 0;
}

bool store_prepared_aside(const struct record *record, struct prepared_aside *ret,
			  struct error *err)
{
	struct error ignored;
	AUTO_CLOSE int dir = store_tenant_dir(record, STATE_DIR, &ignored);

	*ret = (struct prepared_aside){ 0 };
	if (dir < 0 || !states_list(dir, ret) || !ret->count ||
	    states_rename(dir, ret, false))
		return true;
	fail_errno(err, "cannot set a prepared transaction aside");
	states_rename(dir, ret, true);
	return false;
}

void store_prepared_back(const struct record *record, const struct prepared_aside *aside)
{
	struct error ignored;
	AUTO_CLOSE int dir = store_tenant_dir(record, STATE_DIR, &ignored);

	if (dir >= 0)
		states_rename(dir, aside, true);
}
