/*
 * Without a connection the server cannot be asked for its sessions, so they are read from
 * the titles of its processes: "postgres: cluster: user database host activity". Its
 * tenant can write what it likes there, and loses no session but one of its own.
 */
#include "pg/room.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/audit_begun.h"
#include "base/deadline.h"
#include "base/log.h"
#include "base/process.h"
#include "base/scope.h"

#define TITLE_SIZE 512
#define TAKEN_MS 500 /* wait for a place, or until it is somebody else's */
#define ENDED_MAX 5  /* sessions that a call may end */
#define POLL_MS 3

/* Worth of a session to its client. */
enum worth { LOGGING_IN, IDLE, IN_TRANSACTION, ACTIVE, NO_SESSION };

static bool ends_with(const char *text, const char *end)
{
	size_t length = strlen(text), size = strlen(end);

	return length >= size && strcmp(text + length - size, end) == 0;
}

/* A client's session is the one whose title has a host. */
static enum worth worth_of(const char *title, const char *cluster_name)
{
	char begin[NAME_SIZE + 16];
	const char *words;

	snprintf(begin, sizeof(begin), "postgres: %s: ", cluster_name);
	if (strncmp(title, begin, strlen(begin)) != 0)
		return NO_SESSION;
	words = title + strlen(begin);
	if (strncmp(words, "walsender ", 10) == 0 ||
	    (!strstr(words, " [local]") && !strstr(words, ")")))
		return NO_SESSION;
	if (ends_with(words, " authentication") || ends_with(words, " startup") ||
	    ends_with(words, " startup waiting"))
		return LOGGING_IN;
	if (ends_with(words, " idle"))
		return IDLE;
	return strstr(words, " idle in transaction") ? IN_TRANSACTION : ACTIVE;
}

/* The process whose session is worth least, the oldest of several; 0: there is none. */
static int session_find(const struct record *record, enum worth *ret_worth)
{
	DIR *proc = opendir("/proc");
	enum worth least = NO_SESSION;
	int pid, found = 0;

	while ((pid = process_next(proc, "postgres", record->uid, record->uid)) > 0) {
		char title[TITLE_SIZE];
		enum worth worth =
			process_read(proc, pid, "cmdline", title, sizeof(title))
				? worth_of(title, record->storage_dir)
				: NO_SESSION;

		if (worth < least) {
			least = worth;
			found = pid;
		}
	}
	if (proc)
		closedir(proc);
	*ret_worth = least;
	return found;
}

static bool room_make(const struct record *record)
{
	static const char *const names[] = { "logging_in", "idle", "in_transaction",
					     "active" };
	enum worth worth;
	int pid = session_find(record, &worth);
	AUTO_BEGUN int begun = 0;

	if (!pid)
		return false;
	begun = audit_begin_own("end_session", record->storage_dir, "");
	if (!process_signal(pid, record->uid, SIGTERM))
		return false;
	log_warn("session ended to make room name=%s pid=%d was=%s", record->storage_dir,
		 pid, names[worth]);
	audit_own("end_session", record->storage_dir, "");
	return true;
}

bool room_wait(struct room *room, const struct record *record, long long deadline_ms)
{
	if (deadline_passed(deadline_ms))
		return false;
	if (!room->next_ms) {
		room->next_ms = deadline_in_ms(TAKEN_MS);
	} else if (deadline_passed(room->next_ms)) {
		if (room->ended++ == ENDED_MAX || !room_make(record))
			return false;
		room->next_ms = deadline_in_ms(TAKEN_MS);
	}
	sleep_ms(POLL_MS);
	return true;
}
