/* Each check names what is wrong, since a person is to mend it. */
#include "store/check.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "base/scope.h"
#include "store/pg_control.h"
#include "store/tree.h"

#define AUTO_CONF "postgresql.auto.conf"
#define USAGE_FILES_MAX 200000 /* a tenant may have filled the tree */

static const struct {
	const char *path;
	mode_t type;
} parts[] = {
	{ "PG_VERSION", S_IFREG }, { "global", S_IFDIR },     { "base", S_IFDIR },
	{ "pg_wal", S_IFDIR },	   { "pg_xact", S_IFDIR },    { "pg_multixact", S_IFDIR },
	{ "pg_tblspc", S_IFDIR },  { "pg_logical", S_IFDIR },
};

/* uid 0: any owner. */
static bool part_check(int data, size_t i, int uid, struct error *err)
{
	AUTO_CLOSE int fd = files_open(data, parts[i].path, O_PATH, 0);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) != 0)
		return fail(err, ERR_FOREIGN_DATA, "its %s is missing or a link",
			    parts[i].path);
	if ((status.st_mode & S_IFMT) != parts[i].type)
		return fail(err, ERR_FOREIGN_DATA, "its %s has the wrong file type",
			    parts[i].path);
	return !uid || status.st_uid == (uid_t)uid ||
	       fail(err, ERR_FOREIGN_DATA, "its %s has another owner", parts[i].path);
}

static bool version_check(int data, int version, struct error *err)
{
	AUTO_BUF text = { 0 };

	if (!files_read(data, "PG_VERSION", 64, &text, err))
		return false;
	return atoi(buf_text(&text)) == version ||
	       fail(err, ERR_FOREIGN_DATA,
		    "its data were made by PostgreSQL %.8s, not %d", buf_text(&text),
		    version);
}

/* Indexes on text are corrupt under another sort order. */
static bool collation_check(const struct record *record, const struct template *template,
			    struct error *err)
{
	const struct {
		const char *what, *have, *want;
	} both[] = { { "libc", record->libc, template->libc },
		     { "ICU", record->icu, template->icu } };

	for (size_t i = 0; i < COUNT_OF(both); i++)
		if (*both[i].have && strcmp(both[i].have, both[i].want) != 0)
			return fail(err, ERR_FOREIGN_DATA,
				    "its text is sorted by %s %s, but the image has %s; "
				    "install an image with the former",
				    both[i].what, both[i].have, both[i].want);
	return true;
}

static bool mode_check(int data, struct error *err)
{
	struct stat status;

	if (fstat(data, &status) != 0)
		return fail_errno(err, "cannot read the status of the data directory");
	return (status.st_mode & 07777) == 0700 || (status.st_mode & 07777) == 0750 ||
	       fail(err, ERR_FOREIGN_DATA,
		    "its data directory has mode %o, but PostgreSQL needs 0700",
		    status.st_mode & 07777);
}

static bool standby_check(int data, struct error *err)
{
	struct stat status;

	return fstatat(data, "standby.signal", &status, AT_SYMLINK_NOFOLLOW) != 0 ||
	       fail(err, ERR_FOREIGN_DATA,
		    "its standby.signal makes it a standby, where no password "
		    "can be set; start it without one");
}

/* A pipe or a device in place of the file would keep the server reading for ever. */
static bool auto_conf_check(int data, struct error *err)
{
	struct stat status;

	return fstatat(data, AUTO_CONF, &status, AT_SYMLINK_NOFOLLOW) != 0 ||
	       S_ISREG(status.st_mode) ||
	       fail(err, ERR_FOREIGN_DATA,
		    "its " AUTO_CONF " is not a file; start it with safe, which sets "
		    "it aside");
}

static bool data_check(const struct record *record, const struct template *template,
		       enum store_use use, struct error *err)
{
	int owner = use == STORE_FOREIGN ? 0 : record->uid;
	struct stat status;
	AUTO_CLOSE int data = owner ? store_tenant_dir(record, "pg/data", err)
				    : store_sub_dir(record, "pg/data", &status, err);
	AUTO_CLOSE int source = -1;

	if (data < 0)
		return false;
	source = store_template_open(record->version, template, err);
	if (source < 0)
		return false;
	for (size_t i = 0; i < COUNT_OF(parts); i++)
		if (!part_check(data, i, owner, err))
			return false;
	return mode_check(data, err) && version_check(data, record->version, err) &&
	       pg_control_check(data, source, err) &&
	       collation_check(record, template, err) &&
	       (use != STORE_WRITTEN || standby_check(data, err)) &&
	       (use == STORE_SAFE || use == STORE_FOREIGN || auto_conf_check(data, err));
}

bool store_check(const struct record *record, const struct template *template,
		 enum store_use use, struct error *err)
{
	if (data_check(record, template, use, err))
		return true;
	if (err->code == ERR_INTERNAL)
		err->code = ERR_FOREIGN_DATA; /* a part cannot be opened */
	snprintf(err->field, sizeof(err->field), "storage_dir");
	return fail_because(err,
			    "the data of %s cannot be used, and are left as they "
			    "are",
			    record->storage_dir);
}
