/* Lines of subuid(5) and subgid(5) decide; users that have a single id are passed by. */
#include "store/user_ids.h"

#include <stdatomic.h>
#include <string.h>

#include "base/log.h"
#include "base/scope.h"
#include "model/config.h"

static atomic_bool was_reserved;

/* Ranges that other programs take ids from without a line in any file: see
 * https://systemd.io/UIDS-GIDS. */
static const struct {
	int first, last;
	const char *user;
} others[] = {
	{ 60001, 60513, "systemd-homed" },
	{ 60578, 60705, "the systemd of test beds" },
	{ 61184, 65519, "units with DynamicUser" },
	{ 524288, 1879048191, "systemd-nspawn" },
};

static void others_tell(void)
{
	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (config()->uid_min <= others[i].last &&
		    config()->uid_max >= others[i].first)
			log_warn("user ids shared first=%d last=%d with=%s",
				 others[i].first, others[i].last,
				 LOG_TEXT(others[i].user));
}

bool user_ids_check(struct error *err)
{
	AUTO_CLAIMS claims = { 0 };
	const struct user_id_claim *claim;

	user_id_claims_init();
	claims = user_id_claims_read(true);
	claim = user_id_claims_find_range(&claims, config()->uid_min, config()->uid_max);
	others_tell();
	return !claim ||
	       fail(err, ERR_INVALID,
		    "%s line %d gives the user ids %llu to %llu to %s, who could become a "
		    "server's: set uid_min and uid_max (%d to %d) to a range that "
		    "nobody has, or change that line%s",
		    claim->file, claim->line, claim->first, claim->last, claim->owner,
		    config()->uid_min, config()->uid_max,
		    strcmp(claim->owner, USER_IDS_OWNER_WAS) == 0
			    ? " (pgberthd -r does, where it is pgberth's own)"
			    : "");
}

void user_ids_reservation_look(void)
{
	AUTO_CLAIMS claims = user_id_claims_read(false);

	if (claims.without)
		log_warn("user ids not reserved file=%s first=%d last=%d", claims.without,
			 config()->uid_min, config()->uid_max);
	atomic_store(&was_reserved, !claims.without);
}

const char *user_ids_reservation_lost(const struct user_id_claims *claims)
{
	if (!claims->without)
		atomic_store(&was_reserved, true);
	return atomic_load(&was_reserved) ? claims->without : NULL;
}
