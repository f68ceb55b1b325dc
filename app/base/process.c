/* Uids are read from /proc/<pid>/status, not from the entry's owner: a process can change
 * that by making itself undumpable (prctl(2)). */
#include "base/process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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

bool process_read(DIR *proc, int pid, const char *file, char *ret, size_t size)
{
	char path[48];
	AUTO_CLOSE int fd = -1;
	ssize_t got;

	snprintf(path, sizeof(path), "%d/%.20s", pid, file);
	fd = openat(dirfd(proc), path, O_RDONLY | O_CLOEXEC);
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

bool process_uid(DIR *proc, int pid, int *ret_uid)
{
	char status[1024];
	const char *line;

	if (!process_read(proc, pid, "status", status, sizeof(status)))
		return false;
	line = strstr(status, "\nUid:\t");
	return line && sscanf(line, "\nUid:\t%d", ret_uid) == 1;
}

int process_next(DIR *proc, const char *name, int uid_min, int uid_max)
{
	const struct dirent *entry;
	char status[1024];

	while (proc && (entry = readdir(proc))) {
		int pid = atoi(entry->d_name);

		if (pid <= 0)
			continue;
		if (!process_read(proc, pid, "status", status, sizeof(status))) {
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

/* The uid is read again: another process may have got the pid in the meantime. */
static bool signal_send(DIR *proc, int pid, int uid, int number)
{
	AUTO_CLOSE int pidfd = uid > 0 ? pidfd_open(pid, 0) : -1;
	char status[1024];

	return pidfd >= 0 && process_read(proc, pid, "status", status, sizeof(status)) &&
	       status_has_uid(status, uid, uid) &&
	       pidfd_send_signal(pidfd, number, NULL, 0) == 0;
}

bool process_signal(int pid, int uid, int number)
{
	DIR *proc = opendir("/proc");
	bool sent = proc && signal_send(proc, pid, uid, number);

	if (proc)
		closedir(proc);
	return sent;
}

void process_kill_uid(int uid)
{
	DIR *proc = opendir("/proc");
	int pid;

	while (uid > 0 && (pid = process_next(proc, "", uid, uid)) > 0)
		signal_send(proc, pid, uid, SIGKILL);
	if (proc)
		closedir(proc);
}
