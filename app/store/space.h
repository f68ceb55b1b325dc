/* Disk space: what is left of it, and what an instance takes. */
#ifndef PGBERTH_STORE_SPACE_H
#define PGBERTH_STORE_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/usage.h"

/* Of the file system under <root>; percent is of bytes or inodes, the less. */
struct space {
	uint64_t free_bytes, total_bytes;
	int free_percent;
};
bool store_space(struct space *ret, struct error *err);

/* What an instance takes of the disk; of an image, the bytes that it takes. Slow. */
struct usage store_usage(const char *name);

#endif
