/* The kernel names a free device, which another process may take first. */
#include "store/loop_device.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/scope.h"

#define ATTACH_TRIES 200 /* attempts while others take the free devices */

int loop_attach(int file, char ret_path[LOOP_PATH_SIZE], struct error *err)
{
	AUTO_CLOSE int control = open(LOOP_CONTROL, O_RDWR | O_CLOEXEC);
	struct loop_config config = {
		.fd = (__u32)file,
		.info.lo_flags = LO_FLAGS_AUTOCLEAR | LO_FLAGS_DIRECT_IO,
	};

	for (int i = 0; control >= 0 && i < ATTACH_TRIES; i++) {
		int number = ioctl(control, LOOP_CTL_GET_FREE);
		AUTO_CLOSE int fd = -1;

		snprintf(ret_path, LOOP_PATH_SIZE, "/dev/loop%d", number);
		fd = number >= 0 ? open(ret_path, O_RDWR | O_CLOEXEC) : -1;
		if (fd < 0)
			break;
		if (ioctl(fd, LOOP_CONFIGURE, &config) == 0)
			return take_fd(&fd);
		if (errno != EBUSY)
			break;
	}
	fail_errno(err, "cannot get a loop device");
	return -1;
}

int loop_find(int file, char ret_path[LOOP_PATH_SIZE])
{
	struct loop_info64 info;
	struct stat status;
	char sign[64];

	if (fstat(file, &status) != 0)
		return -1;
	/* Device numbers have few gaps, so the search ends at the first free one. */
	for (int number = 0, gaps = 0; gaps < 256; number++) {
		AUTO_CLOSE int fd = -1;

		snprintf(sign, sizeof(sign), "/sys/block/loop%d/loop", number);
		gaps = access(sign, F_OK) == 0 ? 0 : gaps + 1;
		if (gaps)
			continue;
		snprintf(ret_path, LOOP_PATH_SIZE, "/dev/loop%d", number);
		fd = open(ret_path, O_RDWR | O_CLOEXEC);
		if (fd >= 0 && ioctl(fd, LOOP_GET_STATUS64, &info) == 0 &&
		    info.lo_device == status.st_dev && info.lo_inode == status.st_ino)
			return take_fd(&fd);
	}
	return -1;
}

/* Opens the device below a mounted file system; -1 with errno. */
static int device_open(const struct stat *mounted)
{
	char link[64], target[256];
	ssize_t length;

	/* a link to ../../devices/virtual/block/loop7 */
	snprintf(link, sizeof(link), "/sys/dev/block/%u:%u", major(mounted->st_dev),
		 minor(mounted->st_dev));
	length = readlink(link, target, sizeof(target) - 1);
	if (length <= 0)
		return -1;
	target[length] = '\0';
	snprintf(link, sizeof(link), "/dev/%.32s", basename(target));
	return open(link, O_RDWR | O_CLOEXEC);
}

bool loop_stretch(const struct stat *mounted)
{
	AUTO_CLOSE int loop = device_open(mounted);

	return loop >= 0 && ioctl(loop, LOOP_SET_CAPACITY, 0) == 0;
}
