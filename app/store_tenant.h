/* Between store.c and store_tenant.c. */
#ifndef PGBERTH_STORE_TENANT_H
#define PGBERTH_STORE_TENANT_H

#include "error.h"
#include "record.h"

/* A directory below an instance, opened beneath it and checked to be the tenant's. */
int store_tenant_dir(const struct record *record, const char *sub, struct error *err);

/* log_mb in bytes. */
long long store_log_bytes(void);

#endif
