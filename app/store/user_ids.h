/*
 * User ids of this host that belong to somebody else: ranges that subuid(5) and subgid(5)
 * give to users, who can become any of those ids, and ids that the name service knows.
 * Ranges of a name service (`subid:` in nsswitch.conf(5)) are not looked at. Any thread.
 */
#ifndef PGBERTH_STORE_USER_IDS_H
#define PGBERTH_STORE_USER_IDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

/* Owner of the lines that reserve the servers' range. They count as claims if a user of
 * that name exists. */
#define USER_IDS_OWNER "pgberth"

/* A line of such a file, which gives ids to somebody. */
struct user_id_claim {
	const char *file;
	int line;
	char owner[64];
	unsigned long long first, last;
};

struct user_id_claims {
	struct user_id_claim *list;
	size_t count;
};

/* The claims of now; a file that cannot be read has none. Without memory some are
 * missing. End them with user_id_claims_done(). */
struct user_id_claims user_id_claims_read(void);
void user_id_claims_done(struct user_id_claims *claims);

#define AUTO_CLAIMS __attribute__((cleanup(user_id_claims_done))) struct user_id_claims

/* The first one with an id from first to last, NULL: none. Borrowed. Never waits. */
const struct user_id_claim *user_id_claims_find(const struct user_id_claims *claims,
						int first, int last);

/*
 * Checks that the configured range is nobody else's. Warns of lines that nobody can read,
 * and of ranges that other programs use. May wait for the name service. Main thread, at
 * start. Errors: ERR_INVALID naming file, line and owner.
 */
bool user_ids_check(struct error *err);

/* True when the name service knows a user or a group of that id. May wait for it. */
bool user_id_is_known(int uid);

#endif
