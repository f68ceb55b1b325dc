/*
 * The cgroup of a process names its container; runc names itself until the command runs.
 */
#include "engine/processes.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>

#include "base/process.h"
#include "base/scope.h"

#define UNSTARTED "runc:" /* runc-create(8) names it "runc:[2:INIT]" */

/* The last 64 hex digits in a row count: an engine may itself run in a container. */
static bool container_of(const char *cgroup, char ret[CONTAINER_ID_SIZE])
{
	bool found = false;

	while (*cgroup) {
		size_t length = strspn(cgroup, "0123456789abcdef");

		if (length == CONTAINER_ID_SIZE - 1) {
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
	char cgroup[4096], found[CONTAINER_ID_SIZE];

	return *container_id &&
	       process_read(proc, pid, "cgroup", cgroup, sizeof(cgroup)) &&
	       container_of(cgroup, found) && strcmp(found, container_id) == 0;
}

int engine_process_of_uid(int uid, const char *but_container)
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

/*
 * An engine that runs in a container may have processes of the same uids, which this one
 * knows nothing of: they are two namespaces of processes below this one (NSpid in
 * proc_pid_status(5) has the process's number in each). Since Docker 25 they wait there
 * while the network is set up.
 */
static bool is_of_this_host(DIR *proc, int pid)
{
	char status[4096];
	const char *numbers;
	int first, second, third;

	if (!process_read(proc, pid, "status", status, sizeof(status)))
		return false;
	numbers = strstr(status, "\nNSpid:");
	return numbers && sscanf(numbers + strlen("\nNSpid:"), "%d%*[\t]%d%*[\t]%d",
				 &first, &second, &third) == 2;
}

void engine_each_unstarted(void (*fn)(const struct unstarted *process, void *user),
			   void *user)
{
	DIR *proc = opendir("/proc");
	int pid;

	while ((pid = process_next(proc, UNSTARTED, 1, INT_MAX)) > 0) {
		struct unstarted process = { .pid = pid };
		AUTO_CLOSE int pidfd = pidfd_open(pid, 0);
		char cgroup[4096];

		process.pidfd = pidfd;
		if (pidfd >= 0 && is_of_this_host(proc, pid) &&
		    process_read(proc, pid, "cgroup", cgroup, sizeof(cgroup)) &&
		    container_of(cgroup, process.container_id) &&
		    process_uid(proc, pid, &process.uid))
			fn(&process, user);
	}
	if (proc)
		closedir(proc);
}

void engine_kill_unstarted(const struct unstarted *process)
{
	pidfd_send_signal(process->pidfd, SIGKILL, NULL, 0);
}
