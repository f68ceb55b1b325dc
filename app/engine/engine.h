/*
 * Typed calls to the container engine (Docker Engine API, 1.41 to 1.55; which call uses
 * what of it is in architecture.md). No file outside engine/ knows which engine that is.
 * Each call may fail with ERR_ENGINE when the engine is away, too slow, or gives an
 * answer without sense. Any thread.
 */
#ifndef PGBERTH_ENGINE_H
#define PGBERTH_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "engine/container.h"
#include "model/record.h"

/* Main thread, once; cfg is borrowed for ever. Reads the seccomp profile. */
bool engine_init(struct error *err);

/* Agrees on an API version with the engine and makes the tenants' network if missing. */
bool engine_connect(struct error *err);

/* True when the engine answers within a few seconds, and takes the agreed API version. */
bool engine_ping(struct error *err);

/* The agreed API version, such as "1.41", and the engine's own as of then, such as
 * "28.5.2" ("": unknown). */
const char *engine_api_version(void);
const char *engine_version(void);

/* The reason why the engine's own version is unknown; "": it is known. */
const char *engine_why_no_version(void);

/* Makes the container and returns its id. Errors: ERR_FOREIGN_DATA when a foreign
 * container has its name, ERR_IMAGE_MISSING, ERR_PORT_IN_USE (field port). */
bool engine_create(const struct container_spec *spec, char ret_id[CONTAINER_ID_SIZE],
		   struct error *err);

/* Starts the container, which stays after a failure too. Errors: ERR_PORT_IN_USE (field
 * port). */
bool engine_start(const char *id, struct error *err);

/* Stops the container by SIGINT (PostgreSQL's fast shutdown), after the stop timeout by
 * SIGKILL. A stopped or missing container is fine. */
bool engine_stop(const char *id, struct error *err);

/* Lets a paused container run on. */
bool engine_unpause(const char *id, struct error *err);

/* Removes the container, killing it if it runs. A missing container is fine. */
bool engine_remove(const char *id, struct error *err);

/* Removes all containers of an instance but this one; those that can be, if one cannot. */
bool engine_remove_others(const char *storage_dir, const char *id, struct error *err);

/* Sets new limits of a running container. */
bool engine_update(const char *id, const struct record *record, struct error *err);

/* Waits for the end of the container; *ret_exit_code is that of its command. Errors:
 * ERR_SERVER when the time ran out. */
bool engine_wait(const char *id, int timeout_ms, int *ret_exit_code, struct error *err);

/* Appends the last `tail` lines of the container's stdout and stderr since a time (seconds
 * since 1970; 0: all). */
bool engine_logs(const char *id, long long since, int tail, struct buf *log,
		 struct error *err);

#endif
