/* A count for each uid of the range, and a list of the directories that are held. */
#include "store/uid.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "model/config.h"
#include "store/record_file.h"
#include "store/tree.h"

#define TAKERS_MAX UCHAR_MAX /* a uid with so many takers stays taken */

/* A directory and the uids that it takes: of its pg/, and of its record. */
struct held {
	struct held *next;
	int parent;
	char name[NAME_MAX + 1];
	int uids[2]; /* 0: none */
};

static struct {
	pthread_mutex_t lock;
	unsigned char
		*takers; /* number for each uid from uid_min on; all guarded by lock */
	int next;
	struct held *held;
} uids = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int uid_count(void)
{
	return config()->uid_max - config()->uid_min + 1;
}

bool store_uid_init(struct error *err)
{
	uids.takers = calloc((size_t)uid_count(), 1);
	return uids.takers || fail(err, ERR_INTERNAL, "out of memory");
}

bool store_uid_is_ours(int uid)
{
	return uid >= config()->uid_min && uid <= config()->uid_max;
}

/* Number of takers of a uid; NULL outside the range. Held: lock. */
static unsigned char *takers_of(int uid)
{
	return store_uid_is_ours(uid) ? &uids.takers[uid - config()->uid_min] : NULL;
}

static void taker_add(int uid)
{
	unsigned char *takers = takers_of(uid);

	if (takers && *takers < TAKERS_MAX)
		++*takers;
}

static void taker_drop(int uid)
{
	unsigned char *takers = takers_of(uid);

	if (takers && *takers > 0 && *takers < TAKERS_MAX)
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
	unsigned char *takers;
	int count;

	pthread_mutex_lock(&uids.lock);
	takers = takers_of(uid);
	count = takers ? *takers : 0;
	pthread_mutex_unlock(&uids.lock);
	return count;
}

/* Takes a free uid; 0: all are taken. Held: lock. */
static int uid_take(void)
{
	for (int i = 0; i < uid_count(); i++) {
		int candidate = (uids.next + i) % uid_count();

		if (uids.takers[candidate])
			continue;
		uids.takers[candidate] = 1;
		uids.next = candidate + 1;
		return config()->uid_min + candidate;
	}
	return 0;
}

static bool uid_taken(int uid, int *ret_uid, struct error *err)
{
	if (!uid)
		return fail(err, ERR_NO_SPACE, "all %d uids are taken; empty the trash",
			    uid_count());
	*ret_uid = uid;
	return true;
}

bool store_uid_take(int *ret_uid, struct error *err)
{
	int uid;

	pthread_mutex_lock(&uids.lock);
	uid = uid_take();
	pthread_mutex_unlock(&uids.lock);
	return uid_taken(uid, ret_uid, err);
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
	int other = record.uid != owner ? record.uid : 0;

	pthread_mutex_lock(&uids.lock);
	taker_add(owner); /* before the old entry goes, so that the uid is never free */
	taker_add(other);
	held_forget(parent, name);
	if (held) { /* without memory the uids stay taken until pgberthd ends */
		*held = (struct held){ uids.held, parent, "", { owner, other } };
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

/* A uid that only this directory has; 0: none. Held: lock. */
static int uid_keep(const struct held *held, int first)
{
	for (size_t i = 0; held && i < 2 * COUNT_OF(held->uids); i++) {
		int uid = held->uids[i % COUNT_OF(held->uids)];
		const unsigned char *takers = takers_of(uid);

		/* The first round looks for `first`, the second takes any. */
		if (takers && *takers == 1 && (uid == first || i >= COUNT_OF(held->uids)))
			return uid;
	}
	return 0;
}

bool store_hold_uid(int parent, const char *name, int first, int *ret_uid,
		    struct error *err)
{
	int uid;

	pthread_mutex_lock(&uids.lock);
	uid = uid_keep(*held_find(parent, name), first);
	if (uid)
		taker_add(uid);
	else
		uid = uid_take();
	pthread_mutex_unlock(&uids.lock);
	return uid_taken(uid, ret_uid, err);
}
