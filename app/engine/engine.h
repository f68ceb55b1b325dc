/*
 * Typed calls to the container engine (Docker Engine API 1.41 and later). No file
 * outside engine/ knows which engine that is. Every call may fail with ERR_ENGINE (away,
 * too slow, or an answer that makes no sense). Any thread.
 */
#ifndef PGBERTH_ENGINE_H
#define PGBERTH_ENGINE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/error.h"
#include "engine/container.h"
#include "model/config.h"
#include "model/record.h"

/* Main thread, once; cfg is borrowed for ever. Reads the seccomp profile. */
bool engine_init(const struct config *cfg, struct error *err);

/* Agrees on an API version with the engine and makes the tenants' network if missing. */
bool engine_connect(struct error *err);

/* Whether the engine answers at all, within a few seconds. */
bool engine_ping(struct error *err);

/* The API version that was agreed on, "1.41" say. */
const char *engine_api_version(void);

/* The container of an instance; exists = false is an answer, not an error. */
bool engine_inspect(const char *storage_dir, struct container *ret, struct error *err);

/* Whether it has a container with this id, of whomever. */
bool engine_knows(const char *id, bool *ret, struct error *err);

/* Removes those of an instance's containers that are not this one. */
bool engine_remove_others(const char *storage_dir, const char *id, struct error *err);

/* All of this pgberth's containers, running or not, in *ret (array of *ret_count, to be
 * freed). Of each: storage_dir, id, is_running, port. */
bool engine_list(struct container **ret, size_t *ret_count, struct error *err);

/* Makes the container and gives its id. Errors: ERR_FOREIGN_DATA when a container that
 * is not ours has its name, ERR_IMAGE_MISSING. */
bool engine_create(const struct container_spec *spec, char ret_id[CONTAINER_ID_SIZE],
		   struct error *err);

/* Errors: ERR_PORT_IN_USE (field port). The container stays, whatever happens. */
bool engine_start(const char *id, struct error *err);

/* SIGINT (PostgreSQL's fast shutdown), after the stop timeout SIGKILL. A stopped or
 * missing container is fine. */
bool engine_stop(const char *id, struct error *err);

/* Kills if need be. A missing container is fine. */
bool engine_remove(const char *id, struct error *err);

/* New limits for a running container. */
bool engine_update(const char *id, const struct record *record, struct error *err);

/* Waits for its end; ret_exit_code is the command's. */
bool engine_wait(const char *id, int timeout_ms, int *ret_exit_code, struct error *err);

/* Appends the last `tail` lines of what the container said on stdout and stderr. */
bool engine_logs(const char *id, int tail, struct buf *log, struct error *err);

#endif
