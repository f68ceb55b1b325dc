/* Disk space and files that a tree takes. */
#ifndef PGBERTH_BASE_USAGE_H
#define PGBERTH_BASE_USAGE_H

#include <stdbool.h>
#include <stdint.h>

struct usage {
	uint64_t bytes;
	int files;
	bool is_more; /* the tree is too deep or too large to count to its end */
};

#endif
