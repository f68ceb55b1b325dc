/* The host's certificate and key for all servers, if the configuration names them. */
#ifndef PGBERTH_PG_CERTIFICATE_HOST_H
#define PGBERTH_PG_CERTIFICATE_HOST_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

/* Main thread, once. Errors: ERR_INVALID when the pair cannot be read or used. */
bool certificate_host_init(struct error *err);

bool certificate_host_is_set(void);

/*
 * Appends key and certificates of the files, in PEM, each without anything else; while the
 * files are unfit (somebody is writing them), the last fit ones. False when memory is missing. Any thread.
 */
bool certificate_host_read(struct buf *ret_key, struct buf *ret_certificate);

#endif
