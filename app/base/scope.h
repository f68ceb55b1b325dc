/*
 * Variables that free or close what they hold at the end of their scope, unless take()
 * hands it to a new owner.
 */
#ifndef PGBERTH_BASE_SCOPE_H
#define PGBERTH_BASE_SCOPE_H

#include <stdlib.h>
#include <unistd.h>

static inline void scope_free(void *pointer)
{
	free(*(void **)pointer);
}

static inline void scope_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

/* A heap pointer, freed at the end of the scope unless taken. */
#define AUTO_FREE __attribute__((cleanup(scope_free)))

/* A file descriptor, closed at the end of the scope; start it at -1. */
#define AUTO_CLOSE __attribute__((cleanup(scope_close)))

/* Hands over the value of *pointer and leaves NULL there. */
#define take(pointer)                                                                    \
	({                                                                               \
		__typeof__(*(pointer)) taken_ = *(pointer);                              \
		*(pointer) = NULL;                                                       \
		taken_;                                                                  \
	})

/* The same for a file descriptor, leaving -1 there. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif
