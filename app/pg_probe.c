/*
 * The smallest talk with a server: a startup message, and what it asks for. Frontend/
 * Backend Protocol 3.0, "Start-up": int32 length, int32 196608, then pairs of strings.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "deadline.h"
#include "pg.h"
#include "pg_probe.h"
#include "scope.h"

#define AUTHENTICATION_SASL 10

static bool socket_wait(int fd, short events, long long deadline_ms)
{
	struct pollfd ready = { .fd = fd, .events = events };

	return poll(&ready, 1, deadline_left_ms(deadline_ms)) > 0;
}

static enum pg_outcome probe_connect(int fd, const char *address, int port,
				     long long deadline_ms, struct error *err)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port) };
	int problem = 0;
	socklen_t size = sizeof(problem);

	inet_pton(AF_INET, address, &to.sin_addr);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 &&
	    errno != EINPROGRESS) {
		fail_errno(err, "cannot connect to port %d", port);
		return PG_NOT_YET;
	}
	if (!socket_wait(fd, POLLOUT, deadline_ms) ||
	    getsockopt(fd, SOL_SOCKET, SO_ERROR, &problem, &size) != 0 || problem != 0) {
		errno = problem ? problem : ETIMEDOUT;
		fail_errno(err, "cannot connect to port %d", port);
		return PG_NOT_YET;
	}
	return PG_OK;
}

static bool probe_say_hello(int fd, const char *user)
{
	static const char database[] = "\0database\0postgres\0";
	char message[160];
	uint32_t number;
	size_t length = 8;

	memcpy(message + length, "user", 5);
	length += 5;
	length += (size_t)snprintf(message + length, 64, "%s", user);
	memcpy(message + length, database, sizeof(database));
	length += sizeof(database);
	number = htonl((uint32_t)length);
	memcpy(message, &number, 4);
	number = htonl(196608);
	memcpy(message + 4, &number, 4);
	return send(fd, message, length, MSG_NOSIGNAL) == (ssize_t)length;
}

/* Reads exactly 9 bytes: 'R', int32 length, int32 kind of authentication. */
static bool probe_hear(int fd, unsigned char answer[9], long long deadline_ms)
{
	size_t have = 0;

	while (have < 9) {
		ssize_t got;

		if (!socket_wait(fd, POLLIN, deadline_ms))
			return false;
		got = recv(fd, answer + have, 9 - have, 0);
		if (got <= 0)
			return false;
		have += (size_t)got;
	}
	return true;
}

enum pg_outcome pg_probe(const char *address, int port, const char *user,
			 long long deadline_ms, struct error *err)
{
	AUTO_CLOSE int fd =
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unsigned char answer[9];
	enum pg_outcome outcome;

	if (fd < 0) {
		fail_errno(err, "cannot make a socket");
		return PG_FAILED;
	}
	outcome = probe_connect(fd, address, port, deadline_ms, err);
	if (outcome != PG_OK)
		return outcome;
	if (!probe_say_hello(fd, user) || !probe_hear(fd, answer, deadline_ms)) {
		fail(err, ERR_SERVER, "nothing speaks PostgreSQL's protocol at port %d",
		     port);
		return PG_NOT_YET;
	}
	if (answer[0] == 'R' && answer[8] == AUTHENTICATION_SASL && !answer[7] &&
	    !answer[6] && !answer[5])
		return PG_OK;
	fail(err, ERR_SERVER, "the server at port %d does not ask for SCRAM", port);
	return PG_REFUSED;
}
