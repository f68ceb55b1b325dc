/* A certificate of this host's for all servers, where the configuration names one. */
#ifndef PGBERTH_PG_CERTIFICATE_HOST_H
#define PGBERTH_PG_CERTIFICATE_HOST_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"
#include "model/config.h"

/* Main thread, once. Errors: ERR_INVALID, the pair cannot be read or used. */
bool certificate_host_init(const struct config *cfg, struct error *err);

bool certificate_host_is_set(void);

/*
 * Appends both files' texts as they are now; while they are unfit (somebody is writing
 * them), as they last were when they were not. False without memory. Any thread.
 */
bool certificate_host_read(struct buf *ret_key, struct buf *ret_certificate);

#endif
