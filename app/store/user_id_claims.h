/*
 * User ids of this host that belong to somebody: ranges that subuid(5) and subgid(5) give
 * to users, who can become any of those ids, and ids of users and groups in passwd(5) and
 * group(5). Only these files are read, so nothing here waits for a name service. Any
 * thread.
 */
#ifndef PGBERTH_STORE_USER_ID_CLAIMS_H
#define PGBERTH_STORE_USER_ID_CLAIMS_H

#include <stdbool.h>
#include <stddef.h>

/* Owner of the lines that reserve the servers' range: useradd(8) makes no user of that
 * name, so nobody is given the range with it, or takes it away by userdel(8). Lines of
 * before have the other. Either counts as a claim where such a user exists. */
#define USER_IDS_OWNER "pgberth,servers"
#define USER_IDS_OWNER_WAS "pgberth"

/* A line of such a file, which gives ids to somebody. */
struct user_id_claim {
	const char *file;
	const char *whom; /* "a user" or "a group" */
	int line;
	bool is_range; /* of subuid(5) or subgid(5) */
	char owner[64];
	unsigned long long first, last;
};

struct user_id_claims {
	struct user_id_claim *list;
	size_t count, allocated;
	bool has_owner[2]; /* a user has the name of the reservation, or of old ones */
	const char
		*without; /* file that does not reserve uid_min to uid_max; NULL: none */
};

/* Asks the name service for users with the names of the reservation, once for all. May
 * wait for it. Main thread, at start. */
void user_id_claims_init(void);

/* The claims of now, with a warning for each line that nobody can read, if wanted; a file
 * that cannot be read has none. Without memory some are missing. End them with
 * user_id_claims_done(). */
struct user_id_claims user_id_claims_read(bool warns);
void user_id_claims_done(struct user_id_claims *claims);

#define AUTO_CLAIMS __attribute__((cleanup(user_id_claims_done))) struct user_id_claims

/* The first claim, or the first of a range, with an id from first to last; NULL: none.
 * Borrowed. */
const struct user_id_claim *user_id_claims_find(const struct user_id_claims *claims,
						int first, int last);
const struct user_id_claim *user_id_claims_find_range(const struct user_id_claims *claims,
						      int first, int last);

/* The last id up to `most` of those in a row, from uid on, that a claim has. */
int user_id_claim_end(const struct user_id_claim *claim, int uid, int most);

/* True for a claim with each id from first to last, as it is written. */
bool user_id_claim_covers(const struct user_id_claim *claim, int first, int last);

/* True for a claim with an id from first to last. */
bool user_id_claim_is_about(const struct user_id_claim *claim, int first, int last);

/* Reads a line of subuid(5), without its end, into owner, first and last. False for one
 * that gives nobody an id. */
bool user_id_claim_parse(const char *line, struct user_id_claim *ret);

/* Paths of subuid(5) and subgid(5), NULL ends. */
extern const char *const user_id_range_files[];

#endif
