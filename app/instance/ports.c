/* Ports are claimed in a table in memory; bind(2) tells whether a process has one. */
#include "instance/ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/scope.h"
#include "model/config.h"

static struct {
	pthread_mutex_t lock;
	char (*holders)[NAME_SIZE]; /* by port - port_min; "": free; guarded by lock */
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

bool ports_init(struct error *err)
{
	table.holders =
		calloc((size_t)(config()->port_max - config()->port_min + 1), NAME_SIZE);
	return table.holders || fail(err, ERR_INTERNAL, "out of memory");
}

/* NULL outside the range, since a record may be older than the configuration. */
static char *holder_of(int port)
{
	if (port < config()->port_min || port > config()->port_max)
		return NULL;
	return table.holders[port - config()->port_min];
}

bool ports_claim(int port, const char *name, char ret_holder[NAME_SIZE])
{
	char *holder = holder_of(port);
	bool ok;

	if (!holder)
		return true;
	pthread_mutex_lock(&table.lock);
	ok = !*holder || strcmp(holder, name) == 0;
	if (ok)
		snprintf(holder, NAME_SIZE, "%s", name);
	else
		snprintf(ret_holder, NAME_SIZE, "%s", holder);
	pthread_mutex_unlock(&table.lock);
	return ok;
}

bool ports_transfer(int port, const char *from, const char *to)
{
	char *holder = holder_of(port);
	bool ok;

	if (!holder)
		return true;
	pthread_mutex_lock(&table.lock);
	ok = strcmp(holder, from) == 0;
	if (ok)
		snprintf(holder, NAME_SIZE, "%s", to);
	pthread_mutex_unlock(&table.lock);
	return ok;
}

void ports_release(int port, const char *name)
{
	ports_transfer(port, name, "");
}

bool ports_claim_any(const char *name, int *ret_port)
{
	int count = config()->port_max - config()->port_min + 1;
	char holder[NAME_SIZE];
	uint32_t start = 0;

	if (getrandom(&start, sizeof(start), 0) < 0)
		start = 0;
	for (int i = 0; i < count; i++) {
		int port = config()->port_min +
			   (int)((start + (uint32_t)i) % (uint32_t)count);

		if (!ports_claim(port, name, holder))
			continue;
		if (ports_is_bindable(port)) {
			*ret_port = port;
			return true;
		}
		ports_release(port, name);
	}
	return false;
}

static bool bind_works(int family, const struct sockaddr *address, socklen_t size)
{
	AUTO_CLOSE int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return true; /* without IPv6, no process listens on it either */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, address, size) == 0 || errno != EADDRINUSE;
}

/* ::1 counts too, since a client of localhost would reach a listener there. */
bool ports_is_bindable(int port)
{
	struct sockaddr_in four = { .sin_family = AF_INET,
				    .sin_port = htons((uint16_t)port) };
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
				    .sin6_port = htons((uint16_t)port),
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	inet_pton(AF_INET, config()->publish_address, &four.sin_addr);
	return bind_works(AF_INET, (struct sockaddr *)&four, sizeof(four)) &&
	       bind_works(AF_INET6, (struct sockaddr *)&six, sizeof(six));
}
