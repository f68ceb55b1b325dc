/* What a tree takes of the disk. */
#ifndef PGBERTH_BASE_USAGE_H
#define PGBERTH_BASE_USAGE_H

#include <stdbool.h>
#include <stdint.h>

struct usage {
	uint64_t bytes;
	int files;
	bool is_more; /* too deep, or too many files, to be counted to its end */
};

#endif
