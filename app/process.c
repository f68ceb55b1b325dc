/* A walk over /proc. Who owns an entry there would not do: a process can hide that by
 * making itself undumpable (prctl(2)). */
#include "process.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scope.h"

static bool status_has_uid(const char *status, int uid)
{
	const char *line = strstr(status, "\nUid:\t");
	const char *state = strstr(status, "\nState:\t");
	int real, effective, saved;

	if (!line || !state || state[8] == 'Z' || state[8] == 'X' ||
	    sscanf(line, "\nUid:\t%d\t%d\t%d", &real, &effective, &saved) != 3)
		return false;
	return real == uid || effective == uid || saved == uid;
}

static bool has_uid(int proc, const char *pid, int uid)
{
	char path[32], status[1024];
	AUTO_CLOSE int fd = -1;
	ssize_t got;

	snprintf(path, sizeof(path), "%.20s/status", pid);
	fd = openat(proc, path, O_RDONLY | O_CLOEXEC);
	got = fd >= 0 ? read(fd, status, sizeof(status) - 1) : 0;
	if (got <= 0)
		return false; /* it has ended since */
	status[got] = '\0';
	return status_has_uid(status, uid);
}

int process_of_uid(int uid)
{
	DIR *proc = opendir("/proc");
	const struct dirent *entry;
	int found = 0;

	while (proc && !found && (entry = readdir(proc)))
		if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9' &&
		    has_uid(dirfd(proc), entry->d_name, uid))
			found = atoi(entry->d_name);
	if (proc)
		closedir(proc);
	return found;
}
