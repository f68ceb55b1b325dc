/* Only what belongs to the old uid is given away: what else lies there is somebody's. */
#include "store/move.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/kill_point.h"
#include "base/scope.h"
#include "store/disk.h"
#include "store/tree.h"

static const char *const parts[] = { "pg", "conf" };

bool store_move_can(const struct record *record, struct error *err)
{
	for (size_t i = 0; i < COUNT_OF(parts); i++) {
		struct stat status;
		AUTO_CLOSE int dir = store_sub_dir(record, parts[i], &status, err);

		if (dir < 0 || !files_can_move(dir, err))
			return false;
	}
	return true;
}

static bool part_move(const struct record *record, const char *part, struct error *err)
{
	struct stat status;
	AUTO_CLOSE int dir = store_sub_dir(record, part, &status, err);

	if (dir < 0 || !files_move(dir, record->uid_was, record->uid, err))
		return false;
	return syncfs(dir) == 0 || fail_errno(err, "cannot sync %s", part);
}

/* conf/ is root's, and its group reads it. */
static bool conf_give(const struct record *record, struct error *err)
{
	struct stat status;
	AUTO_CLOSE int conf = store_sub_dir(record, "conf", &status, err);

	return conf >= 0 && (fchown(conf, 0, (gid_t)record->uid) == 0 ||
			     fail_errno(err, "cannot change the owner of conf"));
}

bool store_move(const struct record *record, struct error *err)
{
	if (!store_disk_down(record, err) || !store_pg_give(record, record->uid, err) ||
	    !store_disk_up(record, true, err) || !store_pg_give(record, record->uid, err))
		return false;
	kill_point("move.given");
	for (size_t i = 0; i < COUNT_OF(parts); i++)
		if (!part_move(record, parts[i], err))
			return false;
	return conf_give(record, err);
}
