/* statvfs(3) answers for the whole; an instance is counted file by file. */
#include "store/space.h"

#include <sys/statvfs.h>

#include "base/files.h"
#include "base/scope.h"
#include "model/config.h"
#include "store/tree.h"

#define USAGE_FILES_MAX 200000 /* a tenant may have filled the tree */

/* Free share of bytes or inodes, in percent of what tenants can use. */
static int percent_free(uint64_t available, uint64_t total)
{
	return total == 0 ? 100 : (int)(available * 100 / total);
}

bool store_space(struct space *ret, struct error *err)
{
	struct statvfs space;
	int inodes;

	if (fstatvfs(store_tree.root, &space) != 0)
		return fail_errno(err, "cannot look at the file system of %s",
				  config()->root);
	ret->free_bytes = (uint64_t)space.f_bavail * space.f_frsize;
	ret->total_bytes = (uint64_t)space.f_blocks * space.f_frsize;
	ret->free_percent = percent_free(space.f_bavail, space.f_blocks);
	inodes = percent_free(space.f_favail, space.f_files);
	if (inodes < ret->free_percent)
		ret->free_percent = inodes;
	return true;
}

struct usage store_usage(const char *name)
{
	AUTO_CLOSE int dir = files_open_dir(store_tree.instances, name);
	struct usage none = { 0 };

	return dir < 0 ? none : files_usage(dir, USAGE_FILES_MAX);
}
