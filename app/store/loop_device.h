/*
 * Loop devices (loop(4)). A device is freed by the kernel with its last mount
 * (LO_FLAGS_AUTOCLEAR), also when pgberthd is killed at any step. Any thread.
 */
#ifndef PGBERTH_STORE_LOOP_DEVICE_H
#define PGBERTH_STORE_LOOP_DEVICE_H

#include <stdbool.h>

#include "base/error.h"

#define LOOP_CONTROL "/dev/loop-control"
#define LOOP_PATH_SIZE 32

/* Makes a device of the file and opens it; -1 with err. */
int loop_attach(int file, char ret_path[LOOP_PATH_SIZE], struct error *err);

/* Opens the device that has the file already; -1: none has it. */
int loop_find(int file, char ret_path[LOOP_PATH_SIZE]);

/* Makes the device below a mounted file system as large as its file; false with errno. */
struct stat;
bool loop_stretch(const struct stat *mounted);

#endif
