/* The file may be anything, since its directory is the tenant's. */
#include "store/auto_conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/files.h"
#include "base/scope.h"
#include "store/demands.h"
#include "store/tree.h"

#define AUTO_CONF "postgresql.auto.conf"
#define AUTO_CONF_MAX (1 << 20)

static bool sets_something(const char *text)
{
	for (; *text; text += strcspn(text, "\n")) {
		text += strspn(text, " \t\r\n");
		if (*text && *text != '#')
			return true;
	}
	return false;
}

bool store_has_auto_conf(const struct record *record)
{
	struct error ignored;
	AUTO_CLOSE int data = store_tenant_dir(record, "pg/data", &ignored);
	AUTO_BUF text = { 0 };

	if (data < 0 || faccessat(data, AUTO_CONF, F_OK, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	return !files_read(data, AUTO_CONF, AUTO_CONF_MAX, &text, &ignored) ||
	       sets_something(buf_text(&text));
}

static void aside_name(char ret[ASIDE_SIZE])
{
	time_t now = time(NULL);
	struct tm utc;

	gmtime_r(&now, &utc);
	strftime(ret, ASIDE_SIZE, AUTO_CONF ".%Y%m%dT%H%M%SZ", &utc);
}

/* The names of the settings alone: a value may be secret. */
static void kept_write(char *ret, size_t size, const char *text)
{
	size_t used = 0;

	for (const char *line = text; *line && used < size; line = strchr(line, '\n') + 1)
		used += (size_t)snprintf(ret + used, size - used, "%s%.*s",
					 used ? ", " : "", (int)strcspn(line, " "), line);
}

/* Writes the new file under the old one's new name, and exchanges the two. */
static bool settings_exchange(int data, const struct record *record, const char *name,
			      const char *kept, bool *ret_had, struct error *err)
{
	bool ok;

	if (!files_replace(data, name, kept, strlen(kept), record->uid, record->uid, 0600,
			   err))
		return false;
	*ret_had = renameat2(data, name, data, AUTO_CONF, RENAME_EXCHANGE) == 0;
	ok = *ret_had || (errno == ENOENT &&
			  renameat2(data, name, data, AUTO_CONF, RENAME_NOREPLACE) == 0);
	if (ok)
		return true;
	fail_errno(err, "cannot set " AUTO_CONF " aside");
	unlinkat(data, name, 0);
	return false;
}

static bool settings_remove(int data, const char *name, bool *ret_had, struct error *err)
{
	*ret_had = renameat2(data, AUTO_CONF, data, name, RENAME_NOREPLACE) == 0;
	return *ret_had || errno == ENOENT ||
	       fail_errno(err, "cannot set " AUTO_CONF " aside");
}

bool store_auto_conf_aside(const struct record *record, struct auto_conf_aside *ret,
			   struct error *err)
{
	AUTO_CLOSE int data = store_tenant_dir(record, "pg/data", err);
	AUTO_BUF text = { 0 };
	AUTO_BUF kept = { 0 };
	struct error ignored;
	char name[ASIDE_SIZE];
	bool had;

	*ret = (struct auto_conf_aside){ 0 };
	if (data < 0)
		return false;
	aside_name(name);
	if (faccessat(data, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return fail(err, ERR_BUSY, "%s was set aside a moment ago", AUTO_CONF);
	files_read(data, AUTO_CONF, AUTO_CONF_MAX, &text, &ignored);
	if (!demands_write(data, record->version, buf_text(&text), &kept))
		return fail(err, ERR_INTERNAL, "out of memory");
	if (kept.length
		    ? !settings_exchange(data, record, name, buf_text(&kept), &had, err)
		    : !settings_remove(data, name, &had, err))
		return false;
	if (had)
		memcpy(ret->name, name, sizeof(name));
	kept_write(ret->kept, sizeof(ret->kept), buf_text(&kept));
	return true;
}

void store_auto_conf_back(const struct record *record,
			  const struct auto_conf_aside *aside)
{
	struct error ignored;
	AUTO_CLOSE int data = store_tenant_dir(record, "pg/data", &ignored);

	if (data < 0)
		return;
	if (*aside->kept)
		unlinkat(data, AUTO_CONF, 0);
	if (*aside->name)
		renameat2(data, aside->name, data, AUTO_CONF, RENAME_NOREPLACE);
}
