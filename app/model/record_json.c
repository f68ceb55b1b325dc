/* Records are read and written by a walk over the table of fields. */
#include "model/record_json.h"

#include <string.h>

#include "base/mention.h"
#include "base/scope.h"
#include "model/field.h"

#define RECORD_FORMAT 1

json_t *record_to_json(const struct record *record)
{
	json_t *json = json_pack("{s:i}", "format", RECORD_FORMAT);

	for (const struct field *field = fields; json && field->name; field++) {
		if (!(field->flags & KEPT) ||
		    json_object_set_new(
			    json, field->name,
			    kind_to_json(field, field_of_const(field, record))) == 0)
			continue;
		json_decref(json);
		return NULL;
	}
	return json;
}

static bool member_read(struct record *record, const struct field *field,
			const json_t *value, struct error *err)
{
	void *member = field_of(field, record);

	if (!value && (field->flags & ESSENTIAL))
		return fail_field(err, field->name, "is missing");
	if (!value)
		return kind_default(field, field->range.value, member, err);
	if ((field->flags & MAY_BE_0) && json_is_integer(value) &&
	    json_integer_value(value) == 0)
		return kind_default(field, 0, member, err);
	return kind_read(field, &field->range, value, false, member, err);
}

static bool members_read(struct record *record, const json_t *json, struct error *err)
{
	const json_t *format = json_object_get(json, "format");

	if (!json_is_object(json))
		return fail(err, ERR_INVALID, "the record is not a JSON object");
	if (!json_is_integer(format) || json_integer_value(format) != RECORD_FORMAT)
		return fail(err, ERR_INVALID, "format must be %d", RECORD_FORMAT);
	for (const struct field *field = fields; field->name; field++)
		if ((field->flags & KEPT) &&
		    !member_read(record, field, json_object_get(json, field->name), err))
			return false;
	return true;
}

/* Records without owner_id have the names of other servers in their reason unmarked. */
static void reason_mark(struct record *record)
{
	static const char *const before[] = { " was then given to ", " is held by ",
					      "; it was " };
	static const char *const others[] = { "another instance", "a process" };
	char *reason = record->reason;

	for (size_t i = 0; i < COUNT_OF(before); i++) {
		char *found = strstr(reason, before[i]), *name;
		size_t length;

		if (!found || strlen(reason) + 1 >= sizeof(record->reason))
			continue;
		name = found + strlen(before[i]);
		length = strlen(name) + 1;
		if (strncmp(name, others[0], strlen(others[0])) == 0 ||
		    strncmp(name, others[1], strlen(others[1])) == 0)
			continue;
		memmove(name + 1, name, length);
		*name = MENTION_MARK;
	}
}

bool record_from_json(struct record *ret_record, const json_t *json, struct error *err)
{
	AUTO_RECORD record = { 0 };

	if (!members_read(&record, json, err)) {
		if (err->code != ERR_INVALID)
			return false;
		err->code = ERR_FOREIGN_DATA;
		err->field[0] = '\0'; /* an error of a record, not of a request */
		return fail_because(err, "its record cannot be understood");
	}
	if (!json_object_get(json, "owner_id"))
		reason_mark(&record);
	*ret_record = record;
	record.labels = NULL;
	return true;
}
