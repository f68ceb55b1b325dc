/* Walks through directories by descriptor, for the files*.c beside this header only. */
#ifndef PGBERTH_BASE_FILES_WALK_H
#define PGBERTH_BASE_FILES_WALK_H

#include <dirent.h>

/* Directory stream of a directory, with a descriptor of its own; NULL with errno. */
DIR *files_stream(int dir);

static inline void files_stream_done(DIR **stream)
{
	if (*stream)
		closedir(*stream);
}

#define AUTO_DIR __attribute__((cleanup(files_stream_done))) DIR

/* The next entry but . and ..; NULL at the end, errno 0, or on failure. */
const struct dirent *files_next(DIR *stream);

#endif
