/*
 * Views of all instances by name, in memory. GETs are answered from here alone. Any
 * thread.
 */
#ifndef PGBERTH_INSTANCE_INDEX_H
#define PGBERTH_INSTANCE_INDEX_H

#include <stdbool.h>

#include "engine/engine.h"
#include "model/record.h"
#include "store/disk.h"

enum state { STARTING, RUNNING, STOPPING, STOPPED, STORED, FAILED };

/* The view of an instance. */
struct view {
	struct record record;
	enum state state;
	bool is_proven; /* proven by this process since the server was last down */
	int restarts;	/* restarts of its container by the engine, when it was proven */
	char proven_at[TIMESTAMP_SIZE]; /* when it was last proven, to the nanosecond */
	enum fullness
		full; /* of its disk, while it should run; the disk watch alone sets it */
	bool is_foreign;		      /* a foreign directory; reason says why */
	char container_id[CONTAINER_ID_SIZE]; /* id of its container; "": none */
};

const char *state_name(enum state state);

/* Finds the state of a name; false when there is none. */
bool state_from_name(enum state *ret_state, const char *name);

/* Copies a view; end it with view_done(). Labels of the copy are NULL without memory. */
struct view view_copy(const struct view *view);
void view_done(struct view *view);

#define AUTO_VIEW __attribute__((cleanup(view_done))) struct view

/* Whether the container is the instance's, runs, and publishes its port. */
bool view_is_served_by(const struct view *view, const struct container *container);

/* Copies the view of a name to *ret; end it with view_done(). Without memory *ret has no
 * labels, and calls that need them fail. */
bool index_get(const char *name, struct view *ret);

/* Adds or replaces a copy; false without memory (the index is then unchanged). */
bool index_put(const struct view *view);

/* Sets one member, whatever else happens to the view; index_put() leaves it alone. */
void index_set_full(const char *name, enum fullness full);

void index_drop(const char *name);

/*
 * Calls each(view, user) in the order of names, from behind `after` on, until it returns
 * false. The view is borrowed; each must not block or call the index.
 */
void index_walk(const char *after, bool (*each)(const struct view *view, void *user),
		void *user);

#endif
