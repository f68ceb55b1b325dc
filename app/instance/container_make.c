/* A container, and the filling of the data directory beside it. */
#include "instance/container_make.h"

#include <pthread.h>

#include "base/scope.h"
#include "pg/conf.h"
#include "store/fill.h"
#include "store/store.h"

/* The filling of a new data directory, beside the making of its container. */
struct filling {
	pthread_t thread;
	const struct record *record;
	const struct template *template;
	bool ok;
	struct error err;
};

static void *filling_run(void *user)
{
	struct filling *filling = user;

	filling->ok = store_fill(filling->record, filling->template, &filling->err);
	return NULL;
}

static bool container_create(struct attempt *attempt, const struct template *template,
			     struct error *err)
{
	const struct record *record = &attempt->view->record;
	AUTO_FREE char *pg_dir = store_path(record->storage_dir, "pg");
	AUTO_FREE char *conf_dir = store_path(record->storage_dir, "conf");
	const char *argv[CONF_ARGV_MAX];
	AUTO_BUF words = { 0 };
	struct container_spec spec = { record, template->image_id, pg_dir, conf_dir, argv,
				       NULL };

	if (!pg_dir || !conf_dir || !conf_argv(argv, &words, record))
		return fail(err, ERR_INTERNAL, "out of memory");
	return engine_create(&spec, attempt->view->container_id, err);
}

bool container_make(struct attempt *attempt, const struct template *template,
		    struct error *err)
{
	struct filling filling = { .record = &attempt->view->record,
				   .template = template };
	bool made;

	if (!attempt->is_empty)
		return container_create(attempt, template, err);
	if (pthread_create(&filling.thread, NULL, filling_run, &filling) != 0)
		return fail(err, ERR_INTERNAL, "cannot start a thread");
	made = container_create(attempt, template, err);
	pthread_join(filling.thread, NULL);
	if (filling.ok)
		attempt->is_empty = false;
	else if (made)
		*err = filling.err;
	return made && filling.ok;
}
