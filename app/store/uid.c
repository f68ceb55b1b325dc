/* A count for each uid, in pages that are made when they are needed, and a list of the
 * directories that are held. */
#include "store/uid.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/scope.h"
#include "model/config.h"
#include "store/name_service.h"
#include "store/record_file.h"
#include "store/tree.h"
#include "store/user_id_claims.h"

#define TAKERS_MAX UCHAR_MAX /* a uid with so many takers stays taken */
#define PAGE_BITS 20
#define PAGE_COUNT (INT_MAX / (1 << PAGE_BITS) + 1)

/* A directory and the uids that it takes: of its pg/, and those of its record. */
struct held {
	struct held *next;
	int parent;
	char name[NAME_MAX + 1];
	int uids[3]; /* 0: none */
};

static struct {
	pthread_mutex_t lock;
	unsigned char *pages[PAGE_COUNT]; /* numbers of takers; all guarded by lock */
	int next;
	struct held *held;
} uids = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int uid_count(void)
{
	return config()->uid_max - config()->uid_min + 1;
}

/* The number of takers of a uid, in a page that is made if it is missing; NULL without
 * memory, and for no uid. Held: lock. */
static unsigned char *takers_make(int uid)
{
	unsigned char **page = uid > 0 ? &uids.pages[uid >> PAGE_BITS] : NULL;

	if (!page)
		return NULL;
	if (!*page)
		*page = calloc(1 << PAGE_BITS, 1);
	return *page ? *page + uid % (1 << PAGE_BITS) : NULL;
}

static int takers_of(int uid)
{
	const unsigned char *page = uid > 0 ? uids.pages[uid >> PAGE_BITS] : NULL;

	return page ? page[uid % (1 << PAGE_BITS)] : 0;
}

bool store_uid_init(struct error *err)
{
	for (long long uid = config()->uid_min; uid <= config()->uid_max;
	     uid = (uid | ((1 << PAGE_BITS) - 1)) + 1)
		if (!takers_make((int)uid))
			return fail(err, ERR_INTERNAL, "out of memory");
	return true;
}

bool store_uid_is_possible(int uid)
{
	return uid >= UID_LEAST && uid <= UID_MOST;
}

bool store_uid_is_in_range(int uid)
{
	return uid >= config()->uid_min && uid <= config()->uid_max;
}

bool store_uid_must_move(int uid)
{
	AUTO_CLAIMS claims = { 0 };

	if (!store_uid_is_in_range(uid))
		return true;
	claims = user_id_claims_read(false);
	return user_id_claims_find(&claims, uid, uid) != NULL;
}

/* Without memory a uid outside the range is not counted: it is given to nobody anyway. */
static void taker_add(int uid)
{
	unsigned char *takers = takers_make(uid);

	if (takers && *takers < TAKERS_MAX)
		++*takers;
}

static void taker_drop(int uid)
{
	unsigned char *takers = takers_of(uid) ? takers_make(uid) : NULL;

	if (takers && *takers < TAKERS_MAX)
		--*takers;
}

void store_uid_mark(int uid)
{
	pthread_mutex_lock(&uids.lock);
	taker_add(uid);
	pthread_mutex_unlock(&uids.lock);
}

void store_uid_release(int uid)
{
	pthread_mutex_lock(&uids.lock);
	taker_drop(uid);
	pthread_mutex_unlock(&uids.lock);
}

int store_uid_takers(int uid)
{
	int count;

	pthread_mutex_lock(&uids.lock);
	count = takers_of(uid);
	pthread_mutex_unlock(&uids.lock);
	return count;
}

void store_uid_mark_record(const struct record *record)
{
	store_uid_mark(record->uid);
	store_uid_mark(record->uid_was);
}

void store_uid_release_record(const struct record *record)
{
	store_uid_release(record->uid);
	store_uid_release(record->uid_was);
}

/* A walk over the range from the uid that is next, once around. Ids of others are skipped,
 * and stay free for a later walk, since a line or a user may go. */
struct search {
	const struct user_id_claims *claims;
	const struct user_id_claim *claim; /* one that was in the way */
	long long others;		   /* number of ids that are somebody's */
	long long tried;
	int first;
};

/* Takes the next free uid; 0: all were tried. Held: lock. */
static int uid_take(struct search *search)
{
	if (!search->tried)
		search->first = uids.next;
	while (search->tried < uid_count()) {
		int candidate = (int)((search->first + search->tried++) % uid_count());

		if (takers_of(config()->uid_min + candidate))
			continue;
		taker_add(config()->uid_min + candidate);
		uids.next = candidate + 1;
		return config()->uid_min + candidate;
	}
	return 0;
}

static bool uid_none(const struct search *search, struct error *err)
{
	const struct user_id_claim *claim = search->claim;
	const char *advice =
		2 * search->others < uid_count()
			? "empty the trash, or set uid_max higher"
			: "set uid_min and uid_max to a range that nobody has";

	if (!search->others)
		return fail(err, ERR_NO_SPACE, "all %d uids are taken; %s", uid_count(),
			    advice);
	if (!claim)
		return fail(err, ERR_NO_SPACE,
			    "all %d uids are taken, %lld by others on this host; %s",
			    uid_count(), search->others, advice);
	return fail(err, ERR_NO_SPACE,
		    "all %d uids are taken, %lld by others on this host (%s line %d); %s",
		    uid_count(), search->others, claim->file, claim->line, advice);
}

/* Releases a uid that is another's too, and has the search pass by all of that claim.
 * Waits for the name service, so no lock is held. */
static bool is_somebodys(struct search *search, int uid)
{
	const struct user_id_claim *claim = user_id_claims_find(search->claims, uid, uid);

	if (!claim && !name_service_knows_id(uid))
		return false;
	log_warn("uid skipped uid=%d of=%s", uid,
		 claim && claim->is_range ? LOG_WORD(claim->owner)
					  : "\"the name service\"");
	store_uid_release(uid);
	search->others++;
	if (claim) {
		int more = user_id_claim_end(claim, uid, config()->uid_max) - uid;

		search->claim = claim;
		search->others += more;
		search->tried += more;
	}
	return true;
}

bool store_uid_take(int *ret_uid, struct error *err)
{
	AUTO_CLAIMS claims = user_id_claims_read(false);
	struct search search = { .claims = &claims };
	int uid;

	do {
		pthread_mutex_lock(&uids.lock);
		uid = uid_take(&search);
		pthread_mutex_unlock(&uids.lock);
	} while (uid && is_somebodys(&search, uid));
	if (!uid)
		return uid_none(&search, err);
	*ret_uid = uid;
	return true;
}

/* The link to a directory's entry, or to the end of the list. Held: lock. */
static struct held **held_find(int parent, const char *name)
{
	struct held **at = &uids.held;

	while (*at && ((*at)->parent != parent || strcmp((*at)->name, name) != 0))
		at = &(*at)->next;
	return at;
}

static void held_forget(int parent, const char *name)
{
	struct held **at = held_find(parent, name), *found = *at;

	if (!found)
		return;
	for (size_t i = 0; i < COUNT_OF(found->uids); i++)
		taker_drop(found->uids[i]);
	*at = found->next;
	free(found);
}

bool store_hold(int parent, const char *name)
{
	struct held *held = calloc(1, sizeof(*held));
	AUTO_RECORD record = { 0 };
	struct error ignored;
	int owner = store_owner(parent, name);
	bool has_record = store_record_read(parent, name, &record, &ignored);
	struct held entry = { .parent = parent,
			      .uids = { owner, record.uid != owner ? record.uid : 0,
					record.uid_was != owner ? record.uid_was : 0 } };

	pthread_mutex_lock(&uids.lock);
	/* Before the old entry goes, so that no uid is free in between. */
	for (size_t i = 0; i < COUNT_OF(entry.uids); i++)
		taker_add(entry.uids[i]);
	held_forget(parent, name);
	if (held) { /* without memory the uids stay taken until pgberthd ends */
		*held = entry;
		held->next = uids.held;
		snprintf(held->name, sizeof(held->name), "%s", name);
		uids.held = held;
	}
	pthread_mutex_unlock(&uids.lock);
	return has_record;
}

void store_hold_end(int parent, const char *name)
{
	pthread_mutex_lock(&uids.lock);
	held_forget(parent, name);
	pthread_mutex_unlock(&uids.lock);
}

bool store_is_held(int parent, const char *name)
{
	bool is;

	pthread_mutex_lock(&uids.lock);
	is = *held_find(parent, name) != NULL;
	pthread_mutex_unlock(&uids.lock);
	return is;
}

/* A uid of the range that only this directory has; 0: none. Held: lock. */
static int uid_keep(const struct held *held, int first)
{
	for (size_t i = 0; held && i < 2 * COUNT_OF(held->uids); i++) {
		int uid = held->uids[i % COUNT_OF(held->uids)];

		/* The first round looks for `first`, the second takes any. */
		if (store_uid_is_in_range(uid) && takers_of(uid) == 1 &&
		    (uid == first || i >= COUNT_OF(held->uids)))
			return uid;
	}
	return 0;
}

bool store_hold_uid(int parent, const char *name, int first, int *ret_uid,
		    struct error *err)
{
	AUTO_CLAIMS claims = user_id_claims_read(false);
	struct search search = { .claims = &claims };
	int uid;

	pthread_mutex_lock(&uids.lock);
	uid = uid_keep(*held_find(parent, name), first);
	taker_add(uid);
	pthread_mutex_unlock(&uids.lock);
	if (!uid || is_somebodys(&search, uid))
		return store_uid_take(ret_uid, err);
	*ret_uid = uid;
	return true;
}
