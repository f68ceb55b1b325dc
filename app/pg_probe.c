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
#define ANSWER_MAX 256

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

/* Bytes of the message (type, int32 length, the rest) that are wanted of it so far. */
static size_t message_want(const unsigned char *answer, size_t have)
{
	if (have < 5)
		return 5;
	if (answer[1] || answer[2])
		return ANSWER_MAX; /* longer than anybody needs */
	return 1U + (size_t)(answer[3] << 8 | answer[4]);
}

/* Reads the first message, or as much of it as fits. */
static size_t probe_hear(int fd, unsigned char answer[ANSWER_MAX], long long deadline_ms)
{
	size_t have = 0;

	while (have < message_want(answer, have) && have < ANSWER_MAX) {
		ssize_t got;

		if (!socket_wait(fd, POLLIN, deadline_ms))
			break;
		got = recv(fd, answer + have, ANSWER_MAX - have, 0);
		if (got <= 0)
			break;
		have += (size_t)got;
	}
	return have;
}

/* 'R', int32 length, int32 kind: AuthenticationSASL. */
static bool asks_for_scram(const unsigned char *answer, size_t length)
{
	return length >= 9 && answer[0] == 'R' && answer[8] == AUTHENTICATION_SASL &&
	       !answer[7] && !answer[6] && !answer[5];
}

/* ErrorResponse with SQLSTATE 53300: it would, if it had a connection to spare. */
static bool is_full(const unsigned char *answer, size_t length)
{
	static const char code[] = "C53300";

	return length > 5 && answer[0] == 'E' &&
	       memmem(answer + 5, length - 5, code, sizeof(code));
}

enum pg_outcome pg_probe(const char *address, int port, const char *user,
			 long long deadline_ms, struct error *err)
{
	AUTO_CLOSE int fd =
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unsigned char answer[ANSWER_MAX];
	enum pg_outcome outcome;
	size_t length;

	if (fd < 0) {
		fail_errno(err, "cannot make a socket");
		return PG_FAILED;
	}
	outcome = probe_connect(fd, address, port, deadline_ms, err);
	if (outcome != PG_OK)
		return outcome;
	length = probe_say_hello(fd, user) ? probe_hear(fd, answer, deadline_ms) : 0;
	if (length < 5) {
		fail(err, ERR_SERVER, "nothing speaks PostgreSQL's protocol at port %d",
		     port);
		return PG_NOT_YET;
	}
	if (asks_for_scram(answer, length) || is_full(answer, length))
		return PG_OK;
	fail(err, ERR_SERVER, "the server at port %d does not ask for SCRAM", port);
	return PG_REFUSED;
}
