/* setns(2) changes the namespace of one thread, so a thread of its own enters it. */
#include "engine/mount_namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/scope.h"
#include "engine/http.h"

struct errand {
	bool (*run)(void *user, struct error *err);
	void *user;
	bool ok;
	struct error err;
};

/* Finds the process that listens at the engine's socket; -1 with errno. */
static pid_t engine_pid(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	AUTO_CLOSE int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred peer;
	socklen_t size = sizeof(peer);

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", engine_http_socket());
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
		return -1;
	return peer.pid;
}

/* Enters the namespace, which also changes this thread's root and working directory. */
static bool namespace_enter(struct error *err)
{
	pid_t pid = engine_pid();
	AUTO_CLOSE int fd = -1;
	char path[64];

	if (pid < 0)
		return fail_errno(err, "cannot find the engine");
	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return (fd >= 0 && unshare(CLONE_FS) == 0 && setns(fd, CLONE_NEWNS) == 0) ||
	       fail_errno(err, "cannot enter the engine's mount namespace");
}

static void *errand_run(void *user)
{
	struct errand *errand = user;

	errand->ok =
		namespace_enter(&errand->err) && errand->run(errand->user, &errand->err);
	return NULL;
}

bool engine_mount_namespace_run(bool (*run)(void *user, struct error *err), void *user,
				struct error *err)
{
	struct errand errand = { .run = run, .user = user };
	pthread_t thread;

	if (pthread_create(&thread, NULL, errand_run, &errand) != 0)
		return fail(err, ERR_INTERNAL, "cannot start a thread");
	pthread_join(thread, NULL);
	if (!errand.ok)
		*err = errand.err;
	return errand.ok;
}
