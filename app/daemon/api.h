/*
 * Handlers of calls: parse, one call into the domain, render. Each answers through
 * call->res or fails with a typed error. Worker threads.
 */
#ifndef PGBERTH_DAEMON_API_H
#define PGBERTH_DAEMON_API_H

#include "daemon/call.h"

bool health_get(struct call *call, struct error *err);
bool containers_list(struct call *call, struct error *err);
bool containers_create(struct call *call, struct error *err);
bool container_get(struct call *call, struct error *err);
bool container_change(struct call *call, struct error *err);
bool container_delete(struct call *call, struct error *err);
bool container_start(struct call *call, struct error *err);
bool container_stop(struct call *call, struct error *err);
bool container_restart(struct call *call, struct error *err);
bool container_adopt(struct call *call, struct error *err);
bool container_password(struct call *call, struct error *err);
bool container_logs(struct call *call, struct error *err);
bool container_certificate(struct call *call, struct error *err);

bool purge_stopped(struct call *call, struct error *err);
bool trash_list(struct call *call, struct error *err);
bool trash_remove(struct call *call, struct error *err);
bool trash_restore(struct call *call, struct error *err);

#endif
