/* Files are opened beneath the tenant's own directory, and checked before use. */
#include "store/server_files.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/files.h"
#include "base/scope.h"
#include "store/tree.h"

int store_open_run(const struct record *record, struct error *err)
{
	return store_tenant_dir(record, "pg/run", err);
}

int store_open_socket(int run_dir)
{
	AUTO_CLOSE int fd = files_open(run_dir, ".s.PGSQL.5432", O_PATH, 0);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) != 0)
		return -1;
	if (!S_ISSOCK(status.st_mode)) {
		errno = ENOTSOCK;
		return -1;
	}
	return take_fd(&fd);
}

/* The eighth line of postmaster.pid is "ready" (src/include/utils/pidfile.h). */
bool store_says_ready(const struct record *record)
{
	struct error ignored;
	AUTO_CLOSE int data = store_tenant_dir(record, "pg/data", &ignored);
	AUTO_BUF text = { 0 };

	return data >= 0 && files_read(data, "postmaster.pid", 4096, &text, &ignored) &&
	       strstr(buf_text(&text), "\nready") != NULL;
}

bool store_has_begun(const struct record *record)
{
	struct error ignored;
	AUTO_CLOSE int data = store_tenant_dir(record, "pg/data", &ignored);

	return data < 0 ||
	       faccessat(data, "postmaster.pid", F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

void store_clear_stale(const struct record *record)
{
	struct error ignored;
	AUTO_CLOSE int data = store_tenant_dir(record, "pg/data", &ignored);
	AUTO_CLOSE int run = store_tenant_dir(record, "pg/run", &ignored);

	if (data >= 0)
		unlinkat(data, "postmaster.pid", 0);
	if (run < 0)
		return;
	unlinkat(run, ".s.PGSQL.5432", 0);
	unlinkat(run, ".s.PGSQL.5432.lock", 0);
}
