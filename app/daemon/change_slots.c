/* Changing calls take places in an array, which knows each call's token. */
#include "daemon/change_slots.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/share.h"
#include "model/token.h"

struct place {
	bool taken;
	char token[TOKEN_ID_SIZE];
};

static struct {
	pthread_mutex_t lock;
	struct place *places; /* held under lock */
	int count;
} budget = { .lock = PTHREAD_MUTEX_INITIALIZER };

bool change_slots_init(int changes, struct error *err)
{
	budget.places = calloc((size_t)changes, sizeof(*budget.places));
	if (!budget.places)
		return fail(err, ERR_INTERNAL, "out of memory");
	budget.count = changes;
	return true;
}

/* Held: lock. */
static bool place_find(const char *token, int *ret_place, struct error *err)
{
	int place = -1, own = 0, others = 0;

	for (int i = 0; i < budget.count; i++) {
		if (!budget.places[i].taken)
			place = i;
		else if (*token && strcmp(budget.places[i].token, token) == 0)
			own++;
		else
			others++;
	}
	if (own && own >= share_of(budget.count, others))
		return fail(err, ERR_TOO_MANY,
			    "%d changes of this token are under way; try again", own);
	if (place < 0)
		return fail(err, ERR_TOO_MANY, "%d changes are under way; try again",
			    budget.count);
	*ret_place = place;
	return true;
}

bool change_slots_take(const char *token, int *ret_place, struct error *err)
{
	bool ok;

	pthread_mutex_lock(&budget.lock);
	ok = place_find(token, ret_place, err);
	if (ok) {
		struct place *place = &budget.places[*ret_place];

		place->taken = true;
		snprintf(place->token, sizeof(place->token), "%s", token);
	}
	pthread_mutex_unlock(&budget.lock);
	return ok;
}

void change_slots_give(int place)
{
	pthread_mutex_lock(&budget.lock);
	budget.places[place].taken = false;
	pthread_mutex_unlock(&budget.lock);
}
