/* Log files are ordered by their names, which begin with the time. */
#include "store/server_log.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/scope.h"
#include "model/config.h"
#include "store/tree.h"

#define LOG_BYTES_MAX (1024 * 1024)
#define ENTRIES_MAX 100000 /* a tenant may have filled the log directory */
#define LOGS_MAX 64

struct log_file {
	char name[64];
	off_t size;
};

/* Lists the newest LOGS_MAX server logs of a directory, newest first: their names begin
 * with the time. */
struct log_list {
	struct log_file files[LOGS_MAX];
	int count;
};

static void log_list_insert(struct log_list *list, const char *name, off_t size)
{
	int at = list->count;

	while (at > 0 && strcmp(list->files[at - 1].name, name) < 0)
		at--;
	if (at == LOGS_MAX)
		return;
	if (list->count < LOGS_MAX)
		list->count++;
	memmove(&list->files[at + 1], &list->files[at],
		sizeof(list->files[0]) * (size_t)(list->count - at - 1));
	snprintf(list->files[at].name, sizeof(list->files[at].name), "%s", name);
	list->files[at].size = size;
}

static bool log_name_is_ours(const char *name)
{
	size_t length = strlen(name);

	return length < sizeof(((struct log_file *)0)->name) && length > 15 &&
	       strncmp(name, "postgresql-", 11) == 0 &&
	       strcmp(name + length - 4, ".log") == 0;
}

static void log_list_read(struct log_list *list, int dir)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *stream = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	struct stat status;

	list->count = 0;
	if (!stream) {
		if (fd >= 0)
			close(fd);
		return;
	}
	for (int i = 0; i < ENTRIES_MAX && (entry = readdir(stream)); i++)
		if (log_name_is_ours(entry->d_name) &&
		    fstatat(dir, entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
		    S_ISREG(status.st_mode))
			log_list_insert(list, entry->d_name, status.st_size);
	closedir(stream);
}

static size_t lines_of(const struct buf *text)
{
	size_t lines = 0;

	for (size_t i = 0; i < text->length; i++)
		lines += text->data[i] == '\n';
	return lines;
}

/* Appends the last max bytes of a file, beginning at a line. */
static bool file_end_read(int dir, const struct log_file *file, size_t max,
			  struct buf *ret)
{
	AUTO_CLOSE int fd = files_open(dir, file->name, O_RDONLY | O_NONBLOCK, 0);
	AUTO_FREE char *bytes = malloc(max);
	off_t from = file->size > (off_t)max ? file->size - (off_t)max : 0;
	struct stat status;
	const char *start;
	ssize_t got;

	if (fd < 0 || !bytes || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		return true; /* gone or changed since it was listed */
	got = pread(fd, bytes, max, from);
	if (got <= 0)
		return true;
	start = from > 0 ? memchr(bytes, '\n', (size_t)got) : NULL;
	start = start ? start + 1 : bytes;
	return buf_append(ret, start, (size_t)(bytes + got - start));
}

/* Puts the end of an older file before the text so far. */
static bool log_prepend(int dir, const struct log_file *file, struct buf *log)
{
	AUTO_BUF whole = { 0 };

	if (!file_end_read(dir, file, LOG_BYTES_MAX - log->length, &whole) ||
	    !buf_append(&whole, buf_text(log), log->length))
		return false;
	buf_done(log);
	*log = whole;
	whole = (struct buf){ 0 };
	return true;
}

/* The start of the last `tail` lines. */
static const char *last_lines(const struct buf *log, size_t tail)
{
	const char *start = buf_text(log);

	for (size_t skip = lines_of(log); skip > tail; skip--)
		start = strchr(start, '\n') + 1;
	return start;
}

bool store_log_tail(const struct record *record, int tail, struct buf *log,
		    struct error *err)
{
	AUTO_CLOSE int dir = store_tenant_dir(record, "pg/log", err);
	AUTO_FREE struct log_list *list = malloc(sizeof(*list));
	AUTO_BUF text = { 0 };
	const char *start;

	if (dir < 0)
		return false;
	if (!list)
		return fail(err, ERR_INTERNAL, "out of memory");
	log_list_read(list, dir);
	for (int i = 0; i < list->count && lines_of(&text) < (size_t)tail &&
			text.length < LOG_BYTES_MAX;
	     i++)
		if (!log_prepend(dir, &list->files[i], &text))
			return fail(err, ERR_INTERNAL, "out of memory");
	for (size_t i = 0; i < text.length; i++)
		if (text.data[i] == '\0')
			text.data[i] = '?';
	start = last_lines(&text, (size_t)tail);
	return buf_append(log, start, strlen(start)) ||
	       fail(err, ERR_INTERNAL, "out of memory");
}

void store_log_prune(const struct record *record)
{
	struct error ignored;
	AUTO_CLOSE int dir = store_tenant_dir(record, "pg/log", &ignored);
	AUTO_FREE struct log_list *list = malloc(sizeof(*list));
	off_t total = 0;

	if (dir < 0 || !list)
		return;
	log_list_read(list, dir);
	for (int i = 0; i < list->count; i++) {
		total += list->files[i].size;
		if (i > 0 && total > (off_t)config()->log_mb * 1024 * 1024)
			unlinkat(dir, list->files[i].name, 0);
	}
}
