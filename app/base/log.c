/* Log lines survive rotation and concurrent writers, since each is one write(2). */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mention.h"

static const char *log_path = "-";
static atomic_int log_file = STDERR_FILENO;
static _Thread_local const char *log_request;

static int log_file_open(void)
{
	return open(log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW,
		    0640);
}

bool log_open(const char *path)
{
	int fd;

	if (strcmp(path, "-") == 0)
		return true;
	log_path = path;
	fd = log_file_open();
	if (fd < 0)
		return false;
	atomic_store(&log_file, fd);
	return true;
}

/* dup3() puts the new file under the old descriptor, so no writer sees a closed one. */
void log_reopen(void)
{
	int fd;

	if (strcmp(log_path, "-") == 0)
		return;
	fd = log_file_open();
	if (fd < 0) {
		log_error("log not reopened path=%s error=%s", LOG_WORD(log_path),
			  LOG_TEXT(strerrordesc_np(errno)));
		return;
	}
	dup3(fd, atomic_load(&log_file), O_CLOEXEC);
	close(fd);
}

const char *log_set_request(const char *request_id)
{
	const char *before = log_request;

	log_request = request_id;
	return before;
}

const char *log_request_id(void)
{
	return log_request;
}

int log_fd(void)
{
	return atomic_load(&log_file);
}

const char *log_word(char *ret, size_t size, const char *value)
{
	size_t used = 0;

	for (; *value && used + 4 <= size; value++) {
		unsigned char byte = (unsigned char)*value;

		if (byte > ' ' && byte < 0x7f && !strchr("\"%\\", byte))
			ret[used++] = *value;
		else
			used += (size_t)snprintf(ret + used, size - used, "%%%02X", byte);
	}
	ret[used] = '\0';
	return ret;
}

const char *log_text(char *ret, size_t size, const char *value)
{
	size_t used = 0;

	ret[used++] = '"';
	for (; *value && used + 4 <= size; value++) {
		if (*value == MENTION_MARK)
			continue;
		if (*value == '"' || *value == '\\')
			ret[used++] = '\\';
		ret[used++] = *value;
	}
	ret[used++] = '"';
	ret[used] = '\0';
	return ret;
}

static int log_prefix(char *line, size_t size, const char *level)
{
	struct timespec now;
	struct tm utc;
	size_t used;

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	used = strftime(line, size, "%Y-%m-%dT%H:%M:%S", &utc);
	return (int)used + snprintf(line + used, size - used, ".%03ldZ %s ",
				    now.tv_nsec / 1000000, level);
}

static void log_line(const char *level, const char *fmt, va_list ap)
{
	char line[2048];
	int limit = sizeof(line) - 80; /* leaves room for the id and the newline */
	int used = log_prefix(line, sizeof(line), level);
	int length = vsnprintf(line + used, (size_t)(limit - used), fmt, ap);

	used += length < limit - used ? length : limit - used - 1;
	for (int i = 0; i < used; i++)
		if (line[i] < 0x20 || line[i] > 0x7e)
			line[i] = '?';
	if (log_request)
		used += snprintf(line + used, sizeof(line) - (size_t)used, " id=%.64s",
				 log_request);
	line[used++] = '\n';
	if (write(atomic_load(&log_file), line, (size_t)used) < 0)
		return; /* no other place is left to report this */
}

#define LOG_AT(level)                                                                    \
	do {                                                                             \
		va_list ap;                                                              \
		va_start(ap, fmt);                                                       \
		log_line(level, fmt, ap);                                                \
		va_end(ap);                                                              \
	} while (0)

void log_info(const char *fmt, ...)
{
	LOG_AT("info");
}

void log_warn(const char *fmt, ...)
{
	LOG_AT("warning");
}

void log_error(const char *fmt, ...)
{
	LOG_AT("error");
}
