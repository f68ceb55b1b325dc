/* Kill points are compiled into test builds only. */
#include "base/kill_point.h"

#ifdef PGBERTH_KILL_POINTS
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void kill_point(const char *step)
{
	const char *path = getenv("KILL_POINT_FILE");
	char wanted[64] = "";
	int before = errno;
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;

	if (fd >= 0 && read(fd, wanted, sizeof(wanted) - 1) > 0 &&
	    strcmp(wanted, step) == 0)
		kill(getpid(), SIGKILL);
	if (fd >= 0)
		close(fd);
	errno = before;
}
#endif
