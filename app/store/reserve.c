/* The reserve is one file, shortened by a piece at a time. */
#include "store/reserve.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.h"
#include "base/scope.h"
#include "store/space.h"
#include "store/tree.h"

#define RESERVE_BYTES (4 << 20)
#define PIECE_BYTES (64 << 10)
#define ROOM_BYTES (64 << 20) /* free space below which the reserve is not refilled */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int reserve_open(off_t *ret_size)
{
	AUTO_CLOSE int fd =
		files_open(store_tree.root, "reserve", O_RDWR | O_CREAT, 0600);
	struct stat status;

	if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
		return -1;
	*ret_size = status.st_size;
	return take_fd(&fd);
}

bool store_reserve_spend(void)
{
	AUTO_CLOSE int fd = -1;
	off_t size = 0;
	bool ok;

	pthread_mutex_lock(&lock);
	fd = reserve_open(&size);
	ok = fd >= 0 && size >= PIECE_BYTES && ftruncate(fd, size - PIECE_BYTES) == 0;
	pthread_mutex_unlock(&lock);
	return ok;
}

void store_reserve_fill(void)
{
	AUTO_CLOSE int fd = -1;
	struct space space;
	struct error ignored;
	off_t size = 0;

	if (!store_space(&space, &ignored) || space.free_bytes < ROOM_BYTES)
		return;
	pthread_mutex_lock(&lock);
	fd = reserve_open(&size);
	if (fd >= 0 && size < RESERVE_BYTES && posix_fallocate(fd, 0, RESERVE_BYTES) != 0)
		size = 0; /* the reserve gets as much as there is room for */
	pthread_mutex_unlock(&lock);
}
