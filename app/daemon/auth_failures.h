/* How often calls from an address came with a wrong token lately. Any thread. */
#ifndef PGBERTH_DAEMON_AUTH_FAILURES_H
#define PGBERTH_DAEMON_AUTH_FAILURES_H

#include <stdbool.h>

/* Counts one more; true when it is one too many. IPv6 addresses count by their /64. */
bool auth_failure_is_too_many(const char *address);

#endif
