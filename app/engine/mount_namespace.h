/*
 * Mounts that the engine's containers are to see are made where it sees its own: in the
 * mount namespace of who listens at its socket (process 1, where systemd does). pgberthd
 * may have another one, which must then get what is mounted there.
 */
#ifndef PGBERTH_ENGINE_MOUNT_NAMESPACE_H
#define PGBERTH_ENGINE_MOUNT_NAMESPACE_H

#include <stdbool.h>

#include "base/error.h"

/* Runs run(user, err) there, in a thread of its own, and returns what it returned. Its
 * paths are to be absolute. Any thread. */
bool engine_mount_namespace_run(bool (*run)(void *user, struct error *err), void *user,
				struct error *err);

#endif
