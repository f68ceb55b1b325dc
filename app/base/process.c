/* A walk over /proc. Who owns an entry there would not do: a process can hide that by
 * making itself undumpable (prctl(2)). */
#include "base/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "base/scope.h"

static bool is_in(int uid, int uid_min, int uid_max)
{
	return uid >= uid_min && uid <= uid_max;
}

static bool status_has_uid(const char *status, int uid_min, int uid_max)
{
	const char *line = strstr(status, "\nUid:\t");
	const char *state = strstr(status, "\nState:\t");
	int real, effective, saved;

	if (!line || !state || state[8] == 'Z' || state[8] == 'X' ||
	    sscanf(line, "\nUid:\t%d\t%d\t%d", &real, &effective, &saved) != 3)
		return false;
	return is_in(real, uid_min, uid_max) || is_in(effective, uid_min, uid_max) ||
	       is_in(saved, uid_min, uid_max);
}

/* The beginning of a file of a process; false: errno says ESRCH where it has ended since. */
static bool process_read(int proc, int pid, const char *file, char *ret, size_t size)
{
	char path[48];
	AUTO_CLOSE int fd = -1;
	ssize_t got;

	snprintf(path, sizeof(path), "%d/%.20s", pid, file);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		errno = ESRCH;
	got = fd >= 0 ? read(fd, ret, size - 1) : -1;
	if (got == 0)
		errno = ESRCH;
	if (got <= 0)
		return false;
	ret[got] = '\0';
	return true;
}

/* The next process with a uid in the range and a name that begins so; 0: none; -1: one
 * could not be looked at. */
static int process_next(DIR *proc, const char *name, int uid_min, int uid_max)
{
	const struct dirent *entry;
	char status[1024];

	while (proc && (entry = readdir(proc))) {
		int pid = atoi(entry->d_name);

		if (pid <= 0)
			continue;
		if (!process_read(dirfd(proc), pid, "status", status, sizeof(status))) {
			if (errno != ESRCH)
				return -1;
			continue;
		}
		if (strncmp(status + strlen("Name:\t"), name, strlen(name)) == 0 &&
		    status_has_uid(status, uid_min, uid_max))
			return pid;
	}
	return proc ? 0 : -1;
}

void process_kill_uid(int uid)
{
	DIR *proc = opendir("/proc");
	char status[1024];
	int pid;

	while (uid > 0 && (pid = process_next(proc, "", uid, uid)) > 0) {
		AUTO_CLOSE int pidfd = pidfd_open(pid, 0);

		/* Once more: its pid may have become another's before. */
		if (pidfd >= 0 &&
		    process_read(dirfd(proc), pid, "status", status, sizeof(status)) &&
		    status_has_uid(status, uid, uid))
			pidfd_send_signal(pidfd, SIGKILL, NULL, 0);
	}
	if (proc)
		closedir(proc);
}

/* The last 64 hex digits in a row: an engine may itself run in a container. */
static bool container_of(const char *cgroup, char ret[PROCESS_CONTAINER_SIZE])
{
	bool found = false;

	while (*cgroup) {
		size_t length = strspn(cgroup, "0123456789abcdef");

		if (length == PROCESS_CONTAINER_SIZE - 1) {
			memcpy(ret, cgroup, length);
			ret[length] = '\0';
			found = true;
		}
		cgroup += length ? length : 1;
	}
	return found;
}

static bool is_within(DIR *proc, int pid, const char *container_id)
{
	char cgroup[4096], found[PROCESS_CONTAINER_SIZE];

	return *container_id &&
	       process_read(dirfd(proc), pid, "cgroup", cgroup, sizeof(cgroup)) &&
	       container_of(cgroup, found) && strcmp(found, container_id) == 0;
}

int process_of_uid(int uid, const char *but_container)
{
	DIR *proc = opendir("/proc");
	int found, problem;

	do
		found = process_next(proc, "", uid, uid);
	while (found > 0 && is_within(proc, found, but_container));
	problem = errno;
	if (proc)
		closedir(proc);
	errno = problem;
	return found;
}

void process_each_unstarted(int uid_min, int uid_max,
			    void (*fn)(const struct unstarted *process, void *user),
			    void *user)
{
	DIR *proc = opendir("/proc");
	int pid;

	while ((pid = process_next(proc, "runc:", uid_min, uid_max)) > 0) {
		struct unstarted process = { .pid = pid };
		AUTO_CLOSE int pidfd = pidfd_open(pid, 0);
		char cgroup[4096];

		process.pidfd = pidfd;
		if (pidfd >= 0 &&
		    process_read(dirfd(proc), pid, "cgroup", cgroup, sizeof(cgroup)) &&
		    container_of(cgroup, process.container_id))
			fn(&process, user);
	}
	if (proc)
		closedir(proc);
}

void process_kill(const struct unstarted *process)
{
	pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
}
