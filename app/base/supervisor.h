/*
 * Tells a supervisor such as systemd that pgberthd is ready, that it ends and, if a
 * watchdog asks for it, that requests are still answered. Main thread.
 */
#ifndef PGBERTH_BASE_SUPERVISOR_H
#define PGBERTH_BASE_SUPERVISOR_H

/* Sends a state of sd_notify(3), such as "READY=1", if a supervisor asked for it. */
void supervisor_tell(const char *state);

/* Milliseconds from one supervisor_feed() to the next; 0: there is no watchdog. */
int supervisor_interval_ms(void);

/*
 * Asks a question at the FastCGI socket (a path) and feeds the watchdog if a worker
 * answers within timeout_ms; else only logs that, and the watchdog restarts pgberthd.
 */
void supervisor_feed(const char *socket_path, int timeout_ms);

#endif
