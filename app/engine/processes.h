/*
 * Finds and kills processes of tenants' users on the host, and their containers,
 * including one that the engine has forgotten. Reads /proc (proc(5)) and asks the engine
 * nothing. Any thread.
 */
#ifndef PGBERTH_ENGINE_PROCESSES_H
#define PGBERTH_ENGINE_PROCESSES_H

#include "engine/container.h"

/* Finds a live process with this real, effective or saved uid that is not in the
 * container but_container ("": in any or none); 0: there is none; -1: /proc cannot be
 * read (errno). */
int engine_process_of_uid(int uid, const char *but_container);

/* A process that waits in a new container to be started. */
struct unstarted {
	int pid, pidfd, uid;
	char container_id[CONTAINER_ID_SIZE];
};

/* Calls fn for each unstarted process of this host's engine, whoever's it is but root's. */
void engine_each_unstarted(void (*fn)(const struct unstarted *process, void *user),
			   void *user);

/* Sends SIGKILL to this process, by pidfd, so never to a later one with the same pid. */
void engine_kill_unstarted(const struct unstarted *process);

#endif
