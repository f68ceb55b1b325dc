/* The questions differ in one call, and share the search for enough room. */
#include "store/name_service.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stddef.h>
#include <stdlib.h>

#include "base/scope.h"

#define ANSWER_MAX (1 << 20) /* a group may have many members */

struct question {
	int id;
	const char *name;
};

typedef bool asker(const struct question *question, char *room, size_t size,
		   int *ret_problem);

static bool user_ask(const struct question *question, char *room, size_t size,
		     int *ret_problem)
{
	struct passwd user, *found = NULL;

	*ret_problem =
		question->name
			? getpwnam_r(question->name, &user, room, size, &found)
			: getpwuid_r((uid_t)question->id, &user, room, size, &found);
	return found != NULL;
}

static bool group_ask(const struct question *question, char *room, size_t size,
		      int *ret_problem)
{
	struct group group, *found = NULL;

	*ret_problem = getgrgid_r((gid_t)question->id, &group, room, size, &found);
	return found != NULL;
}

/* Asks with enough room; false where the name service knows nobody. */
static bool is_answered(asker *ask, const struct question *question)
{
	for (size_t size = 4096; size <= ANSWER_MAX; size *= 4) {
		AUTO_FREE char *room = malloc(size);
		int problem = 0;

		if (!room)
			return false;
		if (ask(question, room, size, &problem))
			return true;
		if (problem != ERANGE)
			return false;
	}
	return true; /* too long an answer is one */
}

bool name_service_knows_id(int id)
{
	const struct question question = { .id = id };

	return is_answered(user_ask, &question) || is_answered(group_ask, &question);
}

bool name_service_knows_user(const char *name)
{
	const struct question question = { .name = name };

	return is_answered(user_ask, &question);
}
