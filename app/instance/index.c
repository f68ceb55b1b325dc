/* The index is an array sorted by name, under a read-write lock. */
#include "instance/index.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"

static const char *const state_names[] = {
	[STARTING] = "starting", [RUNNING] = "running", [STOPPING] = "stopping",
	[STOPPED] = "stopped",	 [STORED] = "stored",	[FAILED] = "failed",
};

static struct {
	pthread_rwlock_t lock;
	struct view **views; /* sorted; guarded by lock, as are the two below */
	size_t count, allocated;
} table = { .lock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP };

const char *state_name(enum state state)
{
	return state_names[state];
}

bool state_from_name(enum state *ret_state, const char *name)
{
	for (size_t i = 0; i < COUNT_OF(state_names); i++)
		if (strcmp(name, state_names[i]) == 0) {
			*ret_state = (enum state)i;
			return true;
		}
	return false;
}

void view_done(struct view *view)
{
	record_done(&view->record);
}

struct view view_copy(const struct view *view)
{
	struct view copy = *view;

	copy.record = record_copy(&view->record);
	return copy;
}

bool view_is_served_by(const struct view *view, const struct container *container)
{
	return container->is_ours && container->is_running && view->record.port &&
	       container->port == view->record.port;
}

/* The first place whose name is not below `name`. */
static size_t place_of(const char *name)
{
	size_t low = 0, high = table.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(table.views[middle]->record.storage_dir, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool is_at(size_t place, const char *name)
{
	return place < table.count &&
	       strcmp(table.views[place]->record.storage_dir, name) == 0;
}

bool index_get(const char *name, struct view *ret)
{
	size_t place;
	bool found;

	pthread_rwlock_rdlock(&table.lock);
	place = place_of(name);
	found = is_at(place, name);
	if (found)
		*ret = view_copy(table.views[place]);
	pthread_rwlock_unlock(&table.lock);
	return found;
}

static bool table_grow(void)
{
	size_t size = table.allocated ? table.allocated * 2 : 64;
	struct view **views;

	if (table.count < table.allocated)
		return true;
	views = realloc(table.views, size * sizeof(*views));
	if (!views)
		return false;
	table.views = views;
	table.allocated = size;
	return true;
}

static bool table_insert(size_t place, const struct view *view)
{
	struct view *copy = table_grow() ? malloc(sizeof(*copy)) : NULL;

	if (!copy)
		return false;
	*copy = view_copy(view);
	if (!copy->record.labels) {
		free(copy);
		return false;
	}
	memmove(&table.views[place + 1], &table.views[place],
		(table.count - place) * sizeof(*table.views));
	table.views[place] = copy;
	table.count++;
	return true;
}

/* Needs no memory if the labels stay, so that a state can always be shown. */
static bool view_replace(struct view *there, const struct view *view)
{
	json_t *labels = there->record.labels;
	enum fullness full = there->full;

	if (!json_equal(labels, view->record.labels)) {
		labels = json_deep_copy(view->record.labels);
		if (!labels)
			return false;
		view_done(there);
	}
	*there = *view;
	there->record.labels = labels;
	there->full = full;
	return true;
}

bool index_put(const struct view *view)
{
	const char *name = view->record.storage_dir;
	bool ok = true;
	size_t place;

	pthread_rwlock_wrlock(&table.lock);
	place = place_of(name);
	if (is_at(place, name)) {
		ok = view_replace(table.views[place], view);
	} else {
		ok = table_insert(place, view);
	}
	pthread_rwlock_unlock(&table.lock);
	return ok;
}

void index_set_full(const char *name, enum fullness full)
{
	size_t place;

	pthread_rwlock_wrlock(&table.lock);
	place = place_of(name);
	if (is_at(place, name))
		table.views[place]->full = full;
	pthread_rwlock_unlock(&table.lock);
}

void index_drop(const char *name)
{
	size_t place;

	pthread_rwlock_wrlock(&table.lock);
	place = place_of(name);
	if (is_at(place, name)) {
		view_done(table.views[place]);
		free(table.views[place]);
		table.count--;
		memmove(&table.views[place], &table.views[place + 1],
			(table.count - place) * sizeof(*table.views));
	}
	pthread_rwlock_unlock(&table.lock);
}

void index_walk(const char *after, bool (*each)(const struct view *view, void *user),
		void *user)
{
	size_t place;

	pthread_rwlock_rdlock(&table.lock);
	place = place_of(after);
	if (is_at(place, after))
		place++;
	while (place < table.count && each(table.views[place], user))
		place++;
	pthread_rwlock_unlock(&table.lock);
}
