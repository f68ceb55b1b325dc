/*
 * Makes mounts where the engine's containers see them: in the mount namespace of the
 * process that listens at the engine's socket (process 1 under systemd). pgberthd may
 * have a namespace of its own, to which such mounts must propagate.
 */
#ifndef PGBERTH_ENGINE_MOUNT_NAMESPACE_H
#define PGBERTH_ENGINE_MOUNT_NAMESPACE_H

#include <stdbool.h>

#include "base/error.h"

/* Runs run(user, err) in that namespace, in a new thread, and returns its result. Its
 * paths must be absolute. Any thread. */
bool engine_mount_namespace_run(bool (*run)(void *user, struct error *err), void *user,
				struct error *err);

#endif
