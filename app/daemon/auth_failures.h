/* Counts recent calls with a wrong token by address. Any thread. */
#ifndef PGBERTH_DAEMON_AUTH_FAILURES_H
#define PGBERTH_DAEMON_AUTH_FAILURES_H

#include <stdbool.h>

/* Counts a failure; true when the address had too many. IPv6 addresses count by /64. */
bool auth_failure_is_too_many(const char *address);

#endif
