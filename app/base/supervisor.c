/* sd_notify(3) and sd_watchdog_enabled(3), without libsystemd. */
#include "base/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/log.h"
#include "base/scope.h"

/*
 * A management record of unknown type. libfcgi answers it inside of FCGX_Accept_r()
 * (FastCGI 1.0, section 4.2), so an answer proves that a worker lives, and no request is
 * logged.
 */
static const unsigned char question[] = { 1, 100, 0, 0, 0, 0, 0, 0 };
#define UNKNOWN_TYPE 11

static bool address_set(struct sockaddr_un *address, const char *path)
{
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (!path || strlen(path) >= sizeof(address->sun_path))
		return false;
	memcpy(address->sun_path, path, strlen(path));
	return true;
}

void supervisor_tell(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address;
	AUTO_CLOSE int fd = -1;

	if (!address_set(&address, path))
		return;
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 ||
	    sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
		   (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) <
		    0)
		log_warn("supervisor not told state=%s error=%s", state,
			 LOG_TEXT(strerrordesc_np(errno)));
}

/* A third of the watchdog's timeout: one late answer does not end pgberthd. */
int supervisor_interval_ms(void)
{
	const char *pid = getenv("WATCHDOG_PID");
	const char *patience = getenv("WATCHDOG_USEC");
	long long interval_ms = patience ? atoll(patience) / 3000 : 0;

	if (pid && atol(pid) != getpid())
		return 0;
	return interval_ms > 3600000 ? 3600000 : (int)interval_ms;
}

static bool answers(const char *socket_path, int timeout_ms)
{
	struct sockaddr_un address;
	AUTO_CLOSE int fd =
		socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd answer = { .fd = fd, .events = POLLIN };
	unsigned char head[2];

	return fd >= 0 && address_set(&address, socket_path) &&
	       connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	       send(fd, question, sizeof(question), MSG_NOSIGNAL) > 0 &&
	       poll(&answer, 1, timeout_ms) == 1 &&
	       read(fd, head, sizeof(head)) == sizeof(head) && head[1] == UNKNOWN_TYPE;
}

void supervisor_feed(const char *socket_path, int timeout_ms)
{
	if (answers(socket_path, timeout_ms))
		supervisor_tell("WATCHDOG=1");
	else
		log_error("no worker answers timeout_ms=%d", timeout_ms);
}
