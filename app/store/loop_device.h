/*
 * Loop devices (loop(4)). They go by themselves when nothing is mounted on them any more
 * (LO_FLAGS_AUTOCLEAR), also when pgberthd is killed at any step. Any thread.
 */
#ifndef PGBERTH_STORE_LOOP_DEVICE_H
#define PGBERTH_STORE_LOOP_DEVICE_H

#include <stdbool.h>

#include "base/error.h"

#define LOOP_CONTROL "/dev/loop-control"
#define LOOP_PATH_SIZE 32

/* A new one with the file in it, opened; -1 with err. */
int loop_attach(int file, char ret_path[LOOP_PATH_SIZE], struct error *err);

/* The one that has the file already, opened; -1: none has. */
int loop_find(int file, char ret_path[LOOP_PATH_SIZE]);

/* The one below a mounted file system becomes as large as its file; false with errno. */
struct stat;
bool loop_stretch(const struct stat *mounted);

#endif
