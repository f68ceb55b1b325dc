/* The adopt call makes an instance of a directory from another host, or of a copy. */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/mention.h"
#include "base/scope.h"
#include "engine/find.h"
#include "engine/processes.h"
#include "instance/instance.h"
#include "instance/owner.h"
#include "instance/parts.h"
#include "instance/ports.h"
#include "model/config.h"
#include "model/field.h"
#include "store/disk.h"
#include "store/foreign.h"
#include "store/store.h"
#include "store/template.h"
#include "store/uid.h"

/* Values of the record before the adoption. */
struct past {
	char name[NAME_SIZE];
	int uid, port;
	int owner; /* uid that the data belong to */
};

static bool record_check(struct record *record, const char *name, struct past *ret_past,
			 struct error *err)
{
	if (!store_foreign_read(name, record, err))
		return false;
	if (!record->acknowledged)
		return fail(err, ERR_FOREIGN_DATA,
			    "its create was cut off, so it has no data to adopt");
	if (!config_has_version(config(), record->version))
		return fail(err, ERR_FOREIGN_DATA,
			    "its PostgreSQL %d is not offered here", record->version);
	ret_past->uid = record->uid;
	ret_past->port = record->port;
	memcpy(ret_past->name, record->storage_dir, sizeof(ret_past->name));
	snprintf(record->storage_dir, sizeof(record->storage_dir), "%s", name);
	return true;
}

/* Another instance that has the uid by right: its own processes are no obstacle. */
struct rightful {
	const char *but;
	int uid;
	char name[NAME_SIZE], container_id[CONTAINER_ID_SIZE];
};

static bool rightful_find(const struct view *view, void *user)
{
	struct rightful *rightful = user;
	const struct record *record = &view->record;

	if (view->is_foreign || record->uid != rightful->uid ||
	    strcmp(record->storage_dir, rightful->but) == 0)
		return true;
	memcpy(rightful->name, record->storage_dir, sizeof(rightful->name));
	memcpy(rightful->container_id, view->container_id,
	       sizeof(rightful->container_id));
	return false;
}

static bool uid_is_idle(const char *name, int uid, struct error *err)
{
	struct rightful rightful = { .but = name, .uid = uid };
	int pid;

	index_walk("", rightful_find, &rightful);
	/* A missing directory may have been renamed to this one, under its running
	 * server. */
	if (*rightful.name && !store_exists(rightful.name))
		rightful.container_id[0] = '\0';
	pid = engine_process_of_uid(uid, rightful.container_id);
	if (pid < 0)
		return fail_errno(err,
				  "cannot look for processes that may be using its data");
	return pid == 0 || fail(err, ERR_FOREIGN_DATA,
				"process %d of user %d may be using its data", pid, uid);
}

/* A server would run as the owner of the data, and never as root. */
static bool idle_check(const char *name, const struct past *past, struct error *err)
{
	struct container container;

	if (!engine_inspect(name, &container, err))
		return false;
	if (container.is_ours &&
	    (container.is_running || container.is_paused || container.is_restarting))
		return fail(err, ERR_FOREIGN_DATA,
			    "its container %.12s runs; stop and remove that first",
			    container.id);
	return uid_is_idle(name, past->uid, err) &&
	       (past->owner == past->uid || past->owner == 0 ||
		uid_is_idle(name, past->owner, err));
}

/* The port stays if it is free, else it is dropped, with the reason in said: the next
 * start takes a given port or any. */
static void port_settle(struct record *record, struct buf *said)
{
	const char *name = record->storage_dir;
	char holder[NAME_SIZE];
	int port = record->wanted == WANTED_STORED ? 0 : record->port;

	record->port = 0;
	if (!port)
		return;
	if (port < config()->port_min || port > config()->port_max) {
		buf_printf(said, "; its port %d is out of range here", port);
		return;
	}
	if (!ports_claim(port, name, holder)) {
		buf_printf(said, "; its port %d is held by " MENTION, port, holder);
	} else if (ports_is_bindable(port)) {
		record->port = port;
	} else {
		ports_release(port, name);
		buf_printf(said,
			   "; its port %d is held by a process or another container",
			   port);
	}
}

static bool record_settle(struct record *record, const struct past *past,
			  struct error *err)
{
	AUTO_BUF said = { 0 };

	if (!store_foreign_uid(record->storage_dir, past->uid, &record->uid, err))
		return false;
	if (strcmp(past->name, record->storage_dir) != 0)
		buf_printf(&said, "; it was " MENTION, past->name);
	if (record->uid != past->uid)
		buf_printf(&said, "; its uid is %d now (%d cannot be used here)",
			   record->uid, past->uid);
	record->uid_was = 0; /* its whole tree gets the uid */
	port_settle(record, &said);
	fields_lower(record, &said);
	owner_clear(record);	/* a token of another host, or of somebody else here */
	record->stopped_at = 0; /* counted from now on this host */
	record_want(record,
		    record->wanted == WANTED_STORED ? WANTED_STORED : WANTED_STOPPED);
	/* An adopted instance does not expire, like one that is restored from the trash. */
	record->expires_at = 0;
	snprintf(record->reason, sizeof(record->reason), "adopted%s", buf_text(&said));
	return true;
}

/* Undoes an adoption, however far it came; the directory's uids stay taken. */
static void adopt_undo(const struct record *record)
{
	struct error ignored;

	store_disk_down(record, &ignored);
	store_foreign_hold(record->storage_dir);
	store_uid_release(record->uid);
	ports_release(record->port, record->storage_dir);
}

static bool adopt_checked(struct view *view, const struct past *past, struct error *err)
{
	struct record *record = &view->record;
	enum state state = record->wanted == WANTED_STORED ? STORED : STOPPED;

	if (!record_settle(record, past, err))
		return false;
	if (!store_foreign_adopt(record, past->uid, err) ||
	    !instance_show(view, state, err)) {
		adopt_undo(record);
		return false;
	}
	store_foreign_drop(record->storage_dir);
	if (state == STOPPED)
		store_disk_up(record, true,
			      err); /* after a failure the next look tries again */
	log_info("adopted name=%s was=%s uid=%d was_uid=%d port=%d was_port=%d",
		 record->storage_dir, past->name, record->uid, past->uid, record->port,
		 past->port);
	return true;
}

static bool foreign_check(struct record *record, const char *name, struct past *ret_past,
			  struct error *err)
{
	struct template template;
	struct error ignored;

	if (!record_check(record, name, ret_past, err) ||
	    !store_template(record->version, &template, err) ||
	    !store_foreign_check(record, &template, &ret_past->owner, err))
		return false;
	/* An ended container of that name would run as the old uid. */
	if (idle_check(name, ret_past, err) && engine_remove_others(name, "", err))
		return true;
	store_disk_down(record, &ignored);
	return false;
}

static bool adopt_foreign(const char *name, struct view *ret, struct error *err)
{
	AUTO_VIEW view = { 0 };
	struct past past = { 0 };

	store_foreign_hold(name);
	if (foreign_check(&view.record, name, &past, err))
		return adopt_checked(&view, &past, err) && instance_give(ret, &view);
	if (err->code != ERR_FOREIGN_DATA)
		return false;
	snprintf(err->field, sizeof(err->field), "storage_dir");
	return fail_because(err, "%s is left as it is", name);
}

bool instance_adopt(const char *name, struct view *ret, bool *ret_adopted,
		    struct error *err)
{
	AUTO_LOCK *lock = lock_get(name, INSTANCE_LOCK_WAIT_MS, err);
	AUTO_VIEW view = { 0 };

	if (!lock)
		return false;
	*ret_adopted = !index_get(name, &view) || view.is_foreign;
	if (instance_is_refused(&view) && !instance_undo_refused(&view, err))
		return false;
	if (!store_exists(name) && (*ret_adopted || instance_is_refused(&view)))
		return fail(err, ERR_NOT_FOUND, "instance %s does not exist", name);
	if (*ret_adopted)
		return adopt_foreign(name, ret, err);
	return instance_is_sound(&view, err) && instance_give(ret, &view);
}
