/*
 * What a supervisor such as systemd is told, if there is one: that all is ready, that it
 * ends, and, where a watchdog asks for it, that requests are still answered. Main thread.
 */
#ifndef PGBERTH_BASE_SUPERVISOR_H
#define PGBERTH_BASE_SUPERVISOR_H

/* state: as in sd_notify(3), "READY=1". Does nothing where nobody asked to be told. */
void supervisor_tell(const char *state);

/* Milliseconds from one supervisor_feed() to the next; 0 where there is no watchdog. */
int supervisor_interval_ms(void);

/*
 * Asks a question at the FastCGI socket (a path) and tells the watchdog if a worker
 * answers it within timeout_ms; else says so in the log only, and the watchdog bites.
 */
void supervisor_feed(const char *socket_path, int timeout_ms);

#endif
