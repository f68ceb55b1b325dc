/* Addresses are in a small table, each with a window of time; the oldest makes room. */
#include "daemon/auth_failures.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "base/deadline.h"

#define FAILURES_MAX 100
#define WINDOW_MS 60000
#define ADDRESSES_MAX 256

struct failures {
	struct in6_addr address;
	long long since_ms;
	int count;
};

static struct {
	pthread_mutex_t lock;
	struct failures list[ADDRESSES_MAX]; /* held under lock */
} table = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* IPv4 addresses become mapped ones, other texts all zeroes. */
static struct in6_addr address_parse(const char *text)
{
	struct in6_addr address = { 0 };
	struct in_addr four;

	if (inet_pton(AF_INET, text, &four) == 1) {
		memset(address.s6_addr + 10, 0xff, 2);
		memcpy(address.s6_addr + 12, &four, sizeof(four));
	} else if (inet_pton(AF_INET6, text, &address) == 1) {
		memset(address.s6_addr + 8, 0, 8);
	}
	return address;
}

static struct failures *failures_of(const struct in6_addr *address)
{
	struct failures *oldest = &table.list[0];

	for (size_t i = 0; i < ADDRESSES_MAX; i++) {
		struct failures *one = &table.list[i];

		if (one->count && memcmp(&one->address, address, sizeof(*address)) == 0)
			return one;
		if (one->since_ms < oldest->since_ms)
			oldest = one;
	}
	*oldest = (struct failures){ .address = *address };
	return oldest;
}

bool auth_failure_is_too_many(const char *address)
{
	struct in6_addr key = address_parse(address);
	long long now = now_ms();
	struct failures *failures;
	bool too_many;

	pthread_mutex_lock(&table.lock);
	failures = failures_of(&key);
	if (now - failures->since_ms > WINDOW_MS) {
		failures->since_ms = now;
		failures->count = 0;
	}
	too_many = ++failures->count > FAILURES_MAX;
	pthread_mutex_unlock(&table.lock);
	return too_many;
}
