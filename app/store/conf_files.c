/* Files belong to root and to the tenant's group, which may read them. */
#include "store/conf_files.h"

#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/scope.h"
#include "store/tree.h"

#define CONTENT_MAX (64 * 1024)

bool store_conf_write_at(int dir, const struct record *record,
			 const struct conf_file *file, struct error *err)
{
	AUTO_CLOSE int conf = files_open_dir(dir, "conf");

	if (conf < 0)
		return fail_errno(err, "cannot open conf of %s", record->storage_dir);
	return files_replace(conf, file->name, file->content, strlen(file->content), 0,
			     record->uid, 0640, err);
}

bool store_conf_write(const struct record *record, const struct conf_file *file,
		      struct error *err)
{
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, err);

	return dir >= 0 && store_conf_write_at(dir, record, file, err);
}

bool store_conf_read(const struct record *record, const char *name, struct buf *ret,
		     struct error *err)
{
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, err);
	AUTO_CLOSE int conf = dir >= 0 ? files_open_dir(dir, "conf") : -1;

	if (conf < 0)
		return dir >= 0 &&
		       fail_errno(err, "cannot open conf of %s", record->storage_dir);
	return files_read(conf, name, CONTENT_MAX, ret, err);
}

bool store_conf_equals(const struct record *record, const struct conf_file *file)
{
	struct error ignored;
	AUTO_BUF text = { 0 };

	return store_conf_read(record, file->name, &text, &ignored) &&
	       strcmp(buf_text(&text), file->content) == 0;
}

void store_conf_remove(const struct record *record, const char *name)
{
	struct error ignored;
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, &ignored);
	AUTO_CLOSE int conf = dir >= 0 ? files_open_dir(dir, "conf") : -1;

	if (conf >= 0)
		unlinkat(conf, name, 0);
}
