/*
 * PostgreSQL restores replication slots (pg_replslot), the progress of replication
 * (pg_logical/replorigin_checkpoint: a magic number, 16 bytes for each origin, a CRC) and
 * prepared transactions (pg_twophase) into tables whose sizes are settings, and ends where
 * they are too small. A standby needs sizes as large as the primary's ("Hot Standby" of
 * the manual), which pg_control has.
 */
#include "store/demands.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/files.h"
#include "base/scope.h"
#include "store/pg_control.h"
#include "store/tree.h"

#define ORIGINS_FILE "pg_logical/replorigin_checkpoint"
#define ORIGINS_FRAME 8
#define ORIGIN_BYTES 16
#define COUNT_MAX 100000
#define ORIGINS_OWN 18 /* since this version origins have a setting of their own */

/* Facts of the data. */
struct facts {
	struct pg_control_settings control;
	int slots, prepared, origins;
	bool is_standby; /* or recovers from an archive */
};

static bool is_there(int data, const char *name)
{
	struct stat status;

	return fstatat(data, name, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static void count_one(const char *name, void *user)
{
	int *count = (int *)user;

	(void)name;
	*count += *count < COUNT_MAX;
}

static int entries_count(int data, const char *name)
{
	AUTO_CLOSE int dir = files_open_dir(data, name);
	struct error ignored;
	int count = 0;

	if (dir >= 0)
		store_names_walk(dir, count_one, &count, &ignored);
	return count;
}

static int origins_count(int data)
{
	struct stat status;

	if (fstatat(data, ORIGINS_FILE, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
	    !S_ISREG(status.st_mode) || status.st_size < ORIGINS_FRAME ||
	    status.st_size > COUNT_MAX * ORIGIN_BYTES)
		return 0;
	return (int)(status.st_size - ORIGINS_FRAME) / ORIGIN_BYTES;
}

/* After a crash there may be more prepared transactions in the WAL, but no more than there
 * was room for. */
static void facts_read(int data, struct facts *ret)
{
	pg_control_settings(data, &ret->control);
	ret->slots = entries_count(data, "pg_replslot");
	ret->origins = origins_count(data);
	ret->prepared = ret->control.is_shut_down ? entries_count(data, "pg_twophase")
						  : ret->control.max_prepared;
	ret->is_standby =
		is_there(data, "standby.signal") || is_there(data, "recovery.signal");
}

static int larger(int one, int other)
{
	return one > other ? one : other;
}

static bool sizes_write(const struct facts *facts, int version, struct buf *ret)
{
	const struct pg_control_settings *control = &facts->control;
	bool is_split = version >= ORIGINS_OWN, is_standby = facts->is_standby;
	const struct {
		const char *name;
		int usual, wanted;
	} sizes[] = {
		{ "max_replication_slots", 10,
		  larger(facts->slots, is_split ? 0 : facts->origins) },
		{ "max_active_replication_origins", 10, is_split ? facts->origins : 0 },
		{ "max_prepared_transactions", 0,
		  larger(facts->prepared, is_standby ? control->max_prepared : 0) },
		{ "max_locks_per_transaction", 64,
		  is_standby || facts->prepared ? control->max_locks : 0 },
		{ "max_connections", 100, is_standby ? control->max_connections : 0 },
		{ "max_worker_processes", 8, is_standby ? control->max_workers : 0 },
		{ "max_wal_senders", 10, is_standby ? control->max_senders : 0 },
	};

	for (size_t i = 0; i < COUNT_OF(sizes); i++)
		if (sizes[i].wanted > sizes[i].usual &&
		    !buf_printf(ret, "%s = %d\n", sizes[i].name, sizes[i].wanted))
			return false;
	return true;
}

/* The lines of these settings, as ALTER SYSTEM writes them. */
static bool sources_write(const char *auto_conf, struct buf *ret)
{
	static const char *const names[] = { "restore_command ", "primary_conninfo ",
					     "primary_slot_name " };

	for (const char *line = auto_conf; *line; line += *line == '\n') {
		size_t length = strcspn(line, "\n");

		for (size_t i = 0; i < COUNT_OF(names); i++)
			if (strncmp(line, names[i], strlen(names[i])) == 0 &&
			    !buf_printf(ret, "%.*s\n", (int)length, line))
				return false;
		line += length;
	}
	return true;
}

bool demands_write(int data, int version, const char *auto_conf, struct buf *ret)
{
	struct facts facts = { 0 };

	facts_read(data, &facts);
	return (!facts.control.is_logical || !facts.slots ||
		buf_printf(ret, "wal_level = logical\n")) &&
	       sizes_write(&facts, version, ret) &&
	       (!facts.is_standby || sources_write(auto_conf, ret));
}
