/* Containers are found by labels first, since somebody may have renamed them. */
#include "engine/find.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/scope.h"
#include "engine/call.h"
#include "engine/container_spec.h"
#include "engine/read.h"

bool engine_list_of(const char *storage_dir, struct container **ret, size_t *ret_count,
		    struct error *err)
{
	AUTO_FREE char *filters = engine_spec_filters(storage_dir);
	AUTO_FREE struct container *list = NULL;
	json_auto_t *json = NULL;
	int status;

	if (!filters)
		return fail(err, ERR_INTERNAL, "out of memory");
	if (!engine_call("GET", QUICK_MS, NULL, &status, &json, err,
			 "/containers/json?all=1&filters=%s", filters))
		return false;
	if (status != 200 || !json_is_array(json))
		return engine_refused(err, "list containers", status, json);
	list = calloc(json_array_size(json) + 1, sizeof(*list));
	if (!list)
		return fail(err, ERR_INTERNAL, "out of memory");
	for (size_t i = 0; i < json_array_size(json); i++)
		if (!container_from_list(&list[i], json_array_get(json, i)))
			return engine_no_sense(err, "the list of containers");
	*ret_count = json_array_size(json);
	*ret = take(&list);
	return true;
}

bool engine_inspect_one(const char *id_or_name, struct container *ret, struct error *err)
{
	json_auto_t *json = NULL;
	int status;

	if (!engine_call("GET", QUICK_MS, NULL, &status, &json, err,
			 "/containers/%s/json", id_or_name))
		return false;
	*ret = (struct container){ .exists = false };
	if (engine_is_absent(status, json))
		return true;
	if (status != 200)
		return engine_refused(err, "show the container", status, json);
	return container_from_inspect(ret, json) ||
	       engine_no_sense(err, "what it says of a container");
}

/* Picks one of several containers: a running one first, then one with the instance's
 * name. */
static const struct container *list_choose(const struct container *list, size_t count)
{
	const struct container *best = &list[0];

	for (size_t i = 1; i < count; i++)
		if (list[i].is_running * 2 + list[i].is_named >
		    best->is_running * 2 + best->is_named)
			best = &list[i];
	return best;
}

bool engine_inspect(const char *storage_dir, struct container *ret, struct error *err)
{
	char name[sizeof(CONTAINER_PREFIX) + NAME_SIZE];
	AUTO_FREE struct container *list = NULL;
	size_t count = 0;

	if (!engine_list_of(storage_dir, &list, &count, err))
		return false;
	snprintf(name, sizeof(name), CONTAINER_PREFIX "%s", storage_dir);
	if (!engine_inspect_one(count > 0 ? list_choose(list, count)->id : name, ret,
				err))
		return false;
	ret->is_ours = ret->is_ours && strcmp(ret->storage_dir, storage_dir) == 0;
	ret->others = count > 1 ? (int)count - 1 : 0;
	return true;
}

bool engine_knows(const char *id, bool *ret, struct error *err)
{
	struct container container;

	if (!engine_inspect_one(id, &container, err))
		return false;
	*ret = container.exists;
	return true;
}

bool engine_list(struct container **ret, size_t *ret_count, struct error *err)
{
	return engine_list_of("", ret, ret_count, err);
}
