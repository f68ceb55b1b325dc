/* The lock on <root> lasts as long as the process, and so does each directory opened
 * here. */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "model/config.h"
#include "store/staging.h"
#include "store/tree.h"
#include "store/uid.h"

/* Opens <root>/name, and makes it if it is missing. -1 with err. */
static int root_sub(const char *name, struct error *err)
{
	int fd;

	if (mkdirat(store_tree.root, name, 0700) != 0 && errno != EEXIST) {
		fail_errno(err, "cannot make %s/%s", config()->root, name);
		return -1;
	}
	fd = files_open_dir(store_tree.root, name);
	if (fd < 0)
		fail_errno(err, "cannot open %s/%s", config()->root, name);
	return fd;
}

static bool root_lock(struct error *err)
{
	int fd = files_open(store_tree.root, "lock", O_RDWR | O_CREAT, 0600);

	if (fd < 0)
		return fail_errno(err, "cannot open %s/lock", config()->root);
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		return fail(err, ERR_BUSY, "another pgberthd uses %s", config()->root);
	}
	return true; /* open, and so locked, until the process ends */
}

bool store_open(struct error *err)
{
	store_tree.root = open(config()->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (store_tree.root < 0)
		return fail_errno(err, "cannot open root %s", config()->root);
	if (!root_lock(err))
		return false;
	store_tree.instances = root_sub("instances", err);
	if (!store_staging_set_aside(err))
		return false;
	store_tree.staging = store_tree.instances < 0 ? -1 : root_sub("staging", err);
	store_tree.trash = store_tree.staging < 0 ? -1 : root_sub("trash", err);
	return store_tree.trash >= 0 && store_uid_init(err);
}

char *store_path(const char *name, const char *sub)
{
	char *path;

	if (asprintf(&path, "%s/instances/%s/%s", config()->root, name, sub) < 0)
		return NULL;
	return path;
}

bool store_exists(const char *name)
{
	struct stat status;

	return fstatat(store_tree.instances, name, &status, AT_SYMLINK_NOFOLLOW) == 0 ||
	       errno != ENOENT;
}

bool store_names(void (*each)(const char *name, void *user), void *user,
		 struct error *err)
{
	return store_names_walk(store_tree.instances, each, user, err);
}
