/* Children are made by posix_spawn(3), which copies none of pgberthd's other threads. */
#include "base/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "base/scope.h"

/* Descriptors of the child: 0 to 2 are /dev/null, 3 is the file, the rest is closed. */
static int files_set(posix_spawn_file_actions_t *files, int file)
{
	int status = posix_spawn_file_actions_init(files);

	for (int fd = 0; fd <= 2 && status == 0; fd++)
		status = posix_spawn_file_actions_addopen(files, fd, "/dev/null", O_RDWR,
							  0);
	if (status == 0)
		status = posix_spawn_file_actions_adddup2(files, file, 3);
	if (status == 0)
		status = posix_spawn_file_actions_addclosefrom_np(files, 4);
	return status;
}

/* Signals of the child are unblocked and at their defaults: pgberthd blocks some. */
static int signals_set(posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	int status = posix_spawnattr_init(attributes);

	sigemptyset(&none);
	sigfillset(&all);
	if (status == 0)
		status = posix_spawnattr_setsigmask(attributes, &none);
	if (status == 0)
		status = posix_spawnattr_setsigdefault(attributes, &all);
	if (status == 0)
		status = posix_spawnattr_setflags(
			attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	return status;
}

static bool child_start(pid_t *ret_pid, const char *const argv[], int file,
			struct error *err)
{
	static char *const no_environment[] = { NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	int status = files_set(&files, file);

	if (status == 0)
		status = signals_set(&attributes);
	if (status == 0) {
		status = posix_spawn(ret_pid, argv[0], &files, &attributes,
				     (char *const *)argv, no_environment);
		posix_spawnattr_destroy(&attributes);
	}
	posix_spawn_file_actions_destroy(&files);
	errno = status;
	return status == 0 || fail_errno(err, "cannot run %s", argv[0]);
}

bool child_run(const char *const argv[], int file, int timeout_ms, struct error *err)
{
	AUTO_CLOSE int ended = -1;
	struct pollfd wait = { .events = POLLIN };
	int status = 0;
	pid_t pid = -1;

	if (!child_start(&pid, argv, file, err))
		return false;
	ended = pidfd_open(pid, 0);
	wait.fd = ended;
	if (ended < 0 || poll(&wait, 1, timeout_ms) != 1)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return fail_errno(err, "cannot wait for %s", argv[0]);
	if (WIFSIGNALED(status))
		return fail(err, ERR_INTERNAL, "%s was killed by signal %d", argv[0],
			    WTERMSIG(status));
	return WEXITSTATUS(status) == 0 ||
	       fail(err, ERR_INTERNAL, "%s ended with status %d", argv[0],
		    WEXITSTATUS(status));
}
