/*
 * Processes of tenants' users on the host, and whether they are in a container: also in
 * one that the engine has forgotten. Reads /proc (proc(5)) and asks the engine nothing.
 * Any thread.
 */
#ifndef PGBERTH_ENGINE_PROCESSES_H
#define PGBERTH_ENGINE_PROCESSES_H

#include "engine/container.h"

/* A live process with this real, effective or saved uid, in whatever container but this
 * one ("": any) or none; 0: there is none; -1: that cannot be found out (errno). */
int engine_process_of_uid(int uid, const char *but_container);

/* The process that waits in a new container for the word to start. */
struct unstarted {
	int pid, pidfd;
	char container_id[CONTAINER_ID_SIZE];
};

/* Calls fn for each whose uid is in the range, with user. */
void engine_each_unstarted(int uid_min, int uid_max,
			   void (*fn)(const struct unstarted *process, void *user),
			   void *user);

/* Sends SIGKILL to this process, by pidfd, so never to a later one with the same pid. */
void engine_kill_unstarted(const struct unstarted *process);

#endif
