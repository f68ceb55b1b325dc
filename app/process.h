/* The host's processes, as /proc tells of them. */
#ifndef PGBERTH_PROCESS_H
#define PGBERTH_PROCESS_H

/*
 * A live process with this real, effective or saved uid, in whatever container or none;
 * 0: there is none. Reads /proc/<pid>/status of all (proc(5)). Any thread.
 */
int process_of_uid(int uid);

#endif
