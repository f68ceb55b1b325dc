/*
 * Name -> what is known of an instance, in memory. GETs are answered from here alone.
 * Any thread.
 */
#ifndef PGBERTH_INSTANCE_INDEX_H
#define PGBERTH_INSTANCE_INDEX_H

#include <stdbool.h>

#include "engine/engine.h"
#include "model/record.h"

enum state { STARTING, RUNNING, STOPPING, STOPPED, STORED, FAILED };

/* What one sees of an instance. */
struct view {
	struct record record;
	enum state state;
	bool is_proven;	 /* by this process, since it was down last */
	int restarts;	 /* of its container by the engine, when it was proven */
	bool is_foreign; /* a directory that is no instance of ours; reason says why */
	char container_id[CONTAINER_ID_SIZE]; /* "": it has none */
};

const char *state_name(enum state state);

/* False when there is no such state. */
bool state_from_name(enum state *ret_state, const char *name);

/* A copy, to be ended with view_done(); its labels are NULL without memory. */
struct view view_copy(const struct view *view);
void view_done(struct view *view);

#define AUTO_VIEW __attribute__((cleanup(view_done))) struct view

/* Whether the container is the instance's, runs, and publishes its port. */
bool view_is_served_by(const struct view *view, const struct container *container);

/* A copy in *ret, to be ended with view_done(). Without memory for it, *ret has no
 * labels, and nothing that needs them succeeds. */
bool index_get(const char *name, struct view *ret);

/* Adds or replaces by copying; false without memory (then nothing has changed). */
bool index_put(const struct view *view);

void index_drop(const char *name);

/*
 * Calls each(view, user) in the order of names, from behind `after` on, until it
 * returns false. The view is borrowed; each must neither block nor call the index.
 */
void index_walk(const char *after, bool (*each)(const struct view *view, void *user),
		void *user);

#endif
