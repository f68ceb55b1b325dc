/* The host's processes, as /proc tells of them. */
#ifndef PGBERTH_BASE_PROCESS_H
#define PGBERTH_BASE_PROCESS_H

/* SIGKILL to all of that uid; not of root. Any thread. */
void process_kill_uid(int uid);

#define PROCESS_CONTAINER_SIZE 65

/*
 * A live process with this real, effective or saved uid, in whatever container but this one
 * ("": any) or none; 0: there is none; -1: that cannot be found out (errno). Reads
 * /proc/<pid>/status of all (proc(5)). Any thread.
 */
int process_of_uid(int uid, const char *but_container);

/* What runc made of a container that waits for the word to start (runc-create(8)). */
struct unstarted {
	int pid, pidfd;
	char container_id[PROCESS_CONTAINER_SIZE]; /* 64 hex digits, from its cgroup */
};

/* Calls fn for each whose uid is in the range, with user. Any thread. */
void process_each_unstarted(int uid_min, int uid_max,
			    void (*fn)(const struct unstarted *process, void *user),
			    void *user);

/* SIGKILL to this very process, whatever its pid has become since. */
void process_kill(const struct unstarted *process);

#endif
