/* Directories are opened below open ones, never by a path from /. */
#include "store/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/files.h"
#include "base/scope.h"
#include "model/config.h"

struct store_tree store_tree = { -1, -1, -1, -1 };

bool store_names_walk(int dir, void (*each)(const char *name, void *user), void *user,
		      struct error *err)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!stream) {
		if (fd >= 0)
			close(fd);
		return fail_errno(err, "cannot list a directory of %s", config()->root);
	}
	while ((entry = readdir(stream)))
		if (entry->d_name[0] != '.')
			each(entry->d_name, user);
	closedir(stream);
	return true;
}

int store_instance_open(const char *name, struct error *err)
{
	int fd = files_open_dir(store_tree.instances, name);

	if (fd < 0)
		fail_errno(err, "cannot open the directory of %s", name);
	return fd;
}

int store_sub_dir(const struct record *record, const char *sub, struct stat *ret_status,
		  struct error *err)
{
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, err);
	AUTO_CLOSE int found = -1;

	if (dir < 0)
		return -1;
	found = files_open_dir(dir, sub);
	if (found < 0 || fstat(found, ret_status) != 0) {
		fail_errno(err, "cannot open %s of %s", sub, record->storage_dir);
		return -1;
	}
	return take_fd(&found);
}

int store_tenant_dir(const struct record *record, const char *sub, struct error *err)
{
	struct stat status;
	AUTO_CLOSE int found = store_sub_dir(record, sub, &status, err);

	if (found >= 0 && !record_has_uid(record, status.st_uid)) {
		fail(err, ERR_FOREIGN_DATA, "%s of %s has another owner", sub,
		     record->storage_dir);
		return -1;
	}
	return take_fd(&found);
}

/* The owner of pg/ decides whether store_load() takes the directory for an instance. */
bool store_pg_give(const struct record *record, int gid, struct error *err)
{
	struct stat status;
	AUTO_CLOSE int pg = store_sub_dir(record, "pg", &status, err);

	return pg >= 0 && ((fchown(pg, 0, (gid_t)gid) == 0 && fchmod(pg, 0750) == 0 &&
			    fsync(pg) == 0) ||
			   fail_errno(err, "cannot change the owner of pg"));
}

/* pg/ belongs to root and to the tenant's group, so its gid is the tenant's uid. */
int store_owner(int parent, const char *name)
{
	AUTO_CLOSE int dir = files_open_dir(parent, name);
	struct stat status;

	if (dir < 0 || fstatat(dir, "pg", &status, AT_SYMLINK_NOFOLLOW) != 0 ||
	    status.st_gid > INT32_MAX)
		return 0;
	return (int)status.st_gid;
}
