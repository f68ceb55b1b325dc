/* The guard answers from the last measurement, so asking it costs one statvfs(2). */
#include "store/space_guard.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "model/config.h"
#include "store/store.h"

#define INODE_BYTES 16384

static struct {
	pthread_mutex_t lock;
	struct space_guard last; /* guarded by lock: the biggest instances */
	bool was_low;		 /* used by the measuring thread alone */
} disk = { .lock = PTHREAD_MUTEX_INITIALIZER };

bool space_guard_has_room(struct error *err)
{
	struct space space;

	if (!store_space(&space, err))
		return false;
	return space.free_percent >= config()->free_percent ||
	       fail(err, ERR_NO_SPACE,
		    "only %d %% of the disk is free, and %d %% are kept for existing "
		    "servers; purge some, or empty the trash",
		    space.free_percent, config()->free_percent);
}

bool space_guard_look(struct space_guard *ret, struct error *err)
{
	struct space space;

	if (!store_space(&space, err))
		return false;
	pthread_mutex_lock(&disk.lock);
	*ret = disk.last;
	pthread_mutex_unlock(&disk.lock);
	ret->space = space;
	ret->is_low = space.free_percent < config()->free_percent;
	if (!ret->is_low)
		ret->count = 0;
	return true;
}

/* An inode weighs the bytes that mke2fs makes one for, since inodes can run out too. */
static uint64_t weight(const struct usage *usage)
{
	return usage->is_more ? UINT64_MAX
			      : usage->bytes + (uint64_t)usage->files * INODE_BYTES;
}

static void biggest_add(struct space_guard *found, const char *name,
			const struct usage *usage)
{
	int at = found->count;

	while (at > 0 && weight(&found->biggest[at - 1].usage) < weight(usage))
		at--;
	if (at == SPACE_GUARD_BIGGEST)
		return;
	if (found->count < SPACE_GUARD_BIGGEST)
		found->count++;
	memmove(&found->biggest[at + 1], &found->biggest[at],
		sizeof(found->biggest[0]) * (size_t)(found->count - at - 1));
	snprintf(found->biggest[at].storage_dir, NAME_SIZE, "%s", name);
	found->biggest[at].usage = *usage;
}

static void measure_one(const char *name, void *user)
{
	if (name_is_valid(name)) {
		struct usage usage = store_usage(name);

		biggest_add(user, name, &usage);
	}
}

/* The line is logged once, when the disk becomes low; health says so all the time. */
static void low_log(const struct space_guard *found, int free_percent)
{
	const struct usage *usage = &found->biggest[0].usage;

	log_warn("disk low free_percent=%d biggest=%s bytes=%llu files=%d%s",
		 free_percent, found->biggest[0].storage_dir,
		 (unsigned long long)usage->bytes, usage->files,
		 usage->is_more ? " more=true" : "");
}

void space_guard_measure(void)
{
	struct space_guard found = { 0 };
	struct space space;
	struct error err;
	bool is_low =
		store_space(&space, &err) && space.free_percent < config()->free_percent;

	if (is_low && !store_names(measure_one, &found, &err))
		return;
	if (is_low && !disk.was_low)
		low_log(&found, space.free_percent);
	disk.was_low = is_low;
	pthread_mutex_lock(&disk.lock);
	disk.last = found;
	pthread_mutex_unlock(&disk.lock);
}
