/*
 * A place of the file is a request's id, a newline and the line; an empty text is free. No
 * place lies in two pages, so a kill leaves it as it was before a write, or after it. The
 * blocks of many places are there from the start, so a full disk does not matter.
 */
#include "base/audit_begun.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/timestamp.h"

#define PLACE_SIZE 2048
#define PLACES 1280 /* more than `changes` can be, and what pgberthd does by itself */
#define PLACES_KEPT 128

static struct {
	pthread_mutex_t lock;
	bool taken[PLACES + 1]; /* by number, from 1 on; guarded by lock */
	int fd;
} file = { .lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1 };

static off_t place_at(int number)
{
	return (off_t)(number - 1) * PLACE_SIZE;
}

static bool place_write(int number, const char *text)
{
	ssize_t size = (ssize_t)strlen(text) + 1;

	return pwrite(file.fd, text, (size_t)size, place_at(number)) == size;
}

/* False at the end of the file. */
static bool place_tell(int number)
{
	char text[PLACE_SIZE + 1] = { 0 };
	const char *before;
	char *line;

	if (pread(file.fd, text, PLACE_SIZE, place_at(number)) <= 0)
		return false;
	line = strchr(text, '\n');
	if (!line)
		return true;
	*line++ = '\0';
	before = log_set_request(*text ? text : NULL);
	log_info("%s", line);
	log_set_request(before);
	place_write(number, "");
	return true;
}

void audit_begun_open(const char *path)
{
	int number = 1;

	file.fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	while (file.fd >= 0 && place_tell(number))
		number++;
	if (file.fd < 0 || posix_fallocate(file.fd, 0, place_at(PLACES_KEPT + 1)) != 0)
		log_warn("changes under way not kept path=%s", LOG_WORD(path));
}

/* A free place; 0: there is none. */
static int place_take(void)
{
	int number = 1;

	pthread_mutex_lock(&file.lock);
	while (number <= PLACES && file.taken[number])
		number++;
	number = number <= PLACES ? number : 0;
	file.taken[number] = true;
	pthread_mutex_unlock(&file.lock);
	return number;
}

static void place_give(int number)
{
	pthread_mutex_lock(&file.lock);
	file.taken[number] = false;
	pthread_mutex_unlock(&file.lock);
}

/* The line that the next start writes, unless audit_end() comes before. */
static bool line_keep(int number, const struct audit *line)
{
	const char *id = log_request_id();
	char text[PLACE_SIZE], now[TIMESTAMP_SIZE];
	AUTO_BUF said = { 0 };

	timestamp_write(now, time(NULL));
	if (!audit_text(&said, line, true))
		return false;
	snprintf(text, sizeof(text), "%s\n%s began=%s", id ? id : "", buf_text(&said),
		 now);
	return place_write(number, text);
}

int audit_begin(const struct audit *line)
{
	int number = file.fd < 0 ? 0 : place_take();

	if (number && line_keep(number, line))
		return number;
	if (number)
		place_give(number);
	if (file.fd >= 0)
		log_warn("change under way not kept action=%s name=%s", line->action,
			 LOG_WORD(line->name ? line->name : "-"));
	return 0;
}

int audit_begin_own(const char *action, const char *name, const char *fields)
{
	return audit_begin(&(struct audit){
		.who = "pgberthd", .action = action, .name = name, .fields = fields });
}

void audit_end(int *begun)
{
	if (*begun && !place_write(*begun, ""))
		log_warn("change under way not forgotten place=%d", *begun);
	if (*begun)
		place_give(*begun);
	*begun = 0;
}
