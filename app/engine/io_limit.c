/* The disk is found by sysfs, whose names are those of /dev (sysfs(5), udev(7)). */
#include "engine/io_limit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "model/config.h"

#define UEVENT "/sys/dev/block/%u:%u/%suevent"

static char disk[128]; /* path of the device; "": there is no limit */

/* Names the disk of a file system's device, which is a partition of it or all of it. */
static bool disk_find(dev_t device)
{
	char path[64], line[128], name[101];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/partition", major(device),
		 minor(device));
	snprintf(path, sizeof(path), UEVENT, major(device), minor(device),
		 access(path, F_OK) == 0 ? "../" : "");
	file = fopen(path, "re");
	if (!file)
		return false;
	while (!*disk && fgets(line, sizeof(line), file))
		if (sscanf(line, "DEVNAME=%100s", name) == 1)
			snprintf(disk, sizeof(disk), "/dev/%s", name);
	fclose(file);
	return *disk;
}

bool io_limit_init(struct error *err)
{
	struct stat status;

	if (config()->io_mb_s == 0)
		return true;
	return (stat(config()->root, &status) == 0 && disk_find(status.st_dev)) ||
	       fail(err, ERR_INVALID,
		    "io_mb_s cannot be kept: %s lies on no disk that the kernel limits",
		    config()->root);
}

static json_t *rate(void)
{
	return json_pack("[{s:s s:I}]", "Path", disk, "Rate",
			 (json_int_t)config()->io_mb_s << 20);
}

bool io_limit_add(json_t *host)
{
	return !*disk || (json_object_set_new(host, "BlkioDeviceReadBps", rate()) == 0 &&
			  json_object_set_new(host, "BlkioDeviceWriteBps", rate()) == 0);
}
