/* The admin role is repaired in single-user mode, in a container without network. */
#include "instance/repair.h"

#include "base/log.h"
#include "base/scope.h"
#include "pg/conf.h"
#include "pg/diagnosis.h"
#include "pg/role.h"
#include "store/conf_files.h"
#include "store/store.h"
#include "store/template.h"

#define REPAIR_TIMEOUT_MS 120000

static bool repair_run(struct view *view, const struct container_spec *spec,
		       struct error *err)
{
	struct error ignored;
	int exit_code = -1;
	AUTO_BUF said = { 0 };
	char word[160];
	bool ok;

	if (!engine_create(spec, view->container_id, err))
		return false;
	ok = engine_start(view->container_id, err) &&
	     engine_wait(view->container_id, REPAIR_TIMEOUT_MS, &exit_code, err);
	if (!ok && err->code == ERR_SERVER)
		fail_because(err, "single-user mode cannot repair the admin role");
	if (ok)
		engine_logs(view->container_id, 0, 40, &said, &ignored);
	if (ok && !role_repair_check(buf_text(&said), err)) {
		ok = false;
	} else if (ok && exit_code != 0) {
		diagnosis_line(word, sizeof(word), buf_text(&said));
		ok = fail(err, ERR_SERVER,
			  "single-user mode cannot repair the admin role: %s", word);
	}
	if (!engine_remove(view->container_id, &ignored))
		log_warn("container left behind container=%s error=%s",
			 view->container_id, LOG_TEXT(ignored.message));
	view->container_id[0] = '\0';
	return ok;
}

static bool repair_write(const struct record *record, const char *verifier,
			 struct error *err)
{
	AUTO_BUF sql = { 0 };
	AUTO_BUF passwd = { 0 };

	if (!role_repair_sql(&sql, verifier) || !conf_passwd(&passwd, record))
		return fail(err, ERR_INTERNAL, "out of memory");
	return store_conf_write(record,
				&(struct conf_file){ CONF_REPAIR_NAME, buf_text(&sql) },
				err) &&
	       store_conf_write(
		       record, &(struct conf_file){ CONF_PASSWD_NAME, buf_text(&passwd) },
		       err);
}

bool repair_role(struct attempt *attempt, const struct template *template,
		 struct error *err)
{
	const struct record *record = &attempt->view->record;
	AUTO_FREE char *pg_dir = store_path(record->storage_dir, "pg");
	AUTO_FREE char *conf_dir = store_path(record->storage_dir, "conf");
	AUTO_FREE char *passwd =
		store_path(record->storage_dir, "conf/" CONF_PASSWD_NAME);
	const char *argv[CONF_ARGV_MAX];
	AUTO_BUF words = { 0 };
	struct container_spec spec = { record, template->image_id, pg_dir, conf_dir, argv,
				       passwd };
	bool ok;

	if (!pg_dir || !conf_dir || !passwd || !conf_repair_argv(argv, &words, record))
		return fail(err, ERR_INTERNAL, "out of memory");
	log_info("repair by single-user mode name=%s", record->storage_dir);
	ok = repair_write(record, attempt->verifier, err) &&
	     repair_run(attempt->view, &spec, err);
	store_conf_remove(record, CONF_REPAIR_NAME);
	store_conf_remove(record, CONF_PASSWD_NAME);
	return ok;
}
