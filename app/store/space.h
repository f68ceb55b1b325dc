/* Disk space: what is left of it, and what an instance takes. */
#ifndef PGBERTH_STORE_SPACE_H
#define PGBERTH_STORE_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/usage.h"

/* Measures the file system of <root>; percent is the smaller share, of bytes or of
 * inodes. */
struct space {
	uint64_t free_bytes, total_bytes;
	int free_percent;
};
bool store_space(struct space *ret, struct error *err);

/* Measures an instance's use of the disk; of an image, the bytes that the image takes.
 * Slow. */
struct usage store_usage(const char *name);

#endif
