/* A record is written as a whole, and keeps members that it does not know. */
#include "store/record_file.h"

#include "base/buf.h"
#include "base/files.h"
#include "base/scope.h"
#include "model/record_json.h"
#include "store/reserve.h"
#include "store/tree.h"

#define RECORD_FILE "instance.json"
#define RECORD_MAX (64 * 1024)

/* The JSON of a record, NULL with err. */
static json_t *record_load(int parent, const char *name, struct error *err)
{
	AUTO_CLOSE int dir = files_open_dir(parent, name);
	AUTO_BUF text = { 0 };
	json_t *json;

	if (dir < 0) {
		fail(err, ERR_FOREIGN_DATA, "%s is not a directory of pgberth", name);
		return NULL;
	}
	if (!files_read(dir, RECORD_FILE, RECORD_MAX, &text, err))
		return NULL;
	json = json_loadb(buf_text(&text), text.length, JSON_REJECT_DUPLICATES, NULL);
	if (!json)
		fail(err, ERR_FOREIGN_DATA, "the record is not JSON");
	return json;
}

bool store_record_read(int parent, const char *name, struct record *ret,
		       struct error *err)
{
	json_auto_t *json = record_load(parent, name, err);

	return json && record_from_json(ret, json, err);
}

bool store_record_has_uid(int parent, const char *name, int first, int last)
{
	static const char *const members[] = { "uid", "uid_was" };
	struct error ignored;
	json_auto_t *json = record_load(parent, name, &ignored);

	for (size_t i = 0; i < COUNT_OF(members); i++) {
		json_int_t uid = json_integer_value(json_object_get(json, members[i]));

		if (uid >= first && uid <= last)
			return true;
	}
	return false;
}

/* Members that a later pgberthd wrote are kept for it. */
static bool others_keep(int dir, json_t *json)
{
	json_auto_t *there = NULL;
	AUTO_BUF text = { 0 };
	struct error ignored;

	if (!files_read(dir, RECORD_FILE, RECORD_MAX, &text, &ignored))
		return true;
	there = json_loadb(buf_text(&text), text.length, JSON_REJECT_DUPLICATES, NULL);
	return !json_is_object(there) || json_object_update_missing(json, there) == 0;
}

bool store_record_write(int dir, const struct record *record, struct error *err)
{
	json_auto_t *json = record_to_json(record);
	AUTO_BUF text = { 0 };

	if (!json || !others_keep(dir, json))
		return fail(err, ERR_INTERNAL, "out of memory");
	if (!buf_json(&text, json, JSON_INDENT(1)))
		return fail(err, ERR_INTERNAL, "out of memory");
	while (!files_replace(dir, RECORD_FILE, buf_text(&text), text.length, 0, 0, 0600,
			      err))
		if (err->code != ERR_NO_SPACE || !store_reserve_spend())
			return false;
	return true;
}

bool store_save(const struct record *record, struct error *err)
{
	AUTO_CLOSE int dir = store_instance_open(record->storage_dir, err);

	return dir >= 0 && store_record_write(dir, record, err);
}
