/* Records and their JSON form. */
#include "model/record.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/scope.h"
#include "base/utf8.h"

#define RECORD_FORMAT 1

static const char *const wanted_names[] = {
	[WANTED_RUNNING] = "running",
	[WANTED_STOPPED] = "stopped",
	[WANTED_STORED] = "stored",
};

static const char *const tls_names[] = {
	[TLS_OFFERED] = "offered",
	[TLS_REQUIRED] = "required",
};

const char *tls_name(enum tls tls)
{
	return tls_names[tls];
}

bool tls_from_name(enum tls *ret_tls, const char *name)
{
	for (size_t i = 0; i < COUNT_OF(tls_names); i++)
		if (strcmp(name, tls_names[i]) == 0) {
			*ret_tls = (enum tls)i;
			return true;
		}
	return false;
}

struct record record_copy(const struct record *record)
{
	struct record copy = *record;

	copy.labels = json_deep_copy(record->labels);
	return copy;
}

void record_done(struct record *record)
{
	json_decref(record->labels);
	record->labels = NULL;
}

bool name_is_valid_to(const char *name, size_t length_max)
{
	static const char characters[] = "_.-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					 "abcdefghijklmnopqrstuvwxyz0123456789";
	size_t length = strlen(name);

	return length >= 1 && length <= length_max && strchr(characters + 3, name[0]) &&
	       strspn(name, characters) == length;
}

bool name_is_valid(const char *name)
{
	return name_is_valid_to(name, NAME_MAX_LENGTH);
}

json_t *cpus_to_json(double cpus)
{
	return cpus == floor(cpus) ? json_integer((json_int_t)cpus) : json_real(cpus);
}

json_t *record_to_json(const struct record *record)
{
	return json_pack(
		"{s:i s:s s:s s:s s:b s:i s:i s:i s:i s:o s:O s:s s:s s:s s:o s:I"
		" s:s s:I s:b s:I s:o s:s s:i}",
		"format", RECORD_FORMAT, "storage_dir", record->storage_dir, "owner",
		record->owner, "wanted", wanted_names[record->wanted], "acknowledged",
		record->acknowledged, "port", record->port, "version", record->version,
		"uid", record->uid, "memory_mb", record->memory_mb, "cpus",
		cpus_to_json(record->cpus), "labels", record->labels, "created_at",
		record->created_at, "image_id", record->image_id, "libc", record->libc,
		"reason", utf8_to_json(record->reason), "outside_since_ms",
		(json_int_t)record->outside_since_ms, "icu", record->icu, "expires_at",
		(json_int_t)record->expires_at, "expire_purge", record->expire_purge,
		"stopped_at", (json_int_t)record->stopped_at, "allow",
		networks_to_json(&record->allow), "tls", tls_name(record->tls), "disk_mb",
		record->disk_mb);
}

void record_want(struct record *record, enum wanted wanted)
{
	if (wanted == WANTED_RUNNING)
		record->stopped_at = 0;
	else if (!record->stopped_at)
		record->stopped_at = time(NULL);
	record->wanted = wanted;
}

static bool wanted_from_name(enum wanted *ret_wanted, const char *name)
{
	for (size_t i = 0; i < COUNT_OF(wanted_names); i++)
		if (strcmp(name, wanted_names[i]) == 0) {
			*ret_wanted = (enum wanted)i;
			return true;
		}
	return false;
}

static void text_copy(char *text, size_t size, const char *value)
{
	snprintf(text, size, "%s", value);
}

bool record_from_json(struct record *ret_record, const json_t *json, struct error *err)
{
	struct record record = { 0 };
	const char *name, *wanted, *created_at, *image_id, *libc, *reason,
		*icu = "", *owner = "", *tls = "offered";
	json_t *allow = NULL;
	json_int_t outside_since_ms, expires_at = 0, stopped_at = 0;
	json_error_t problem;
	int format, acknowledged, expire_purge = 0;

	if (json_unpack_ex((json_t *)json, &problem, 0,
			   "{s:i s:s s:s s:b s:i s:i s:i s:i s:F s:o s:s s:s s:s s:s s:I"
			   " s?s s?I s?b s?I s?s s?o s?s s?i}",
			   "format", &format, "storage_dir", &name, "wanted", &wanted,
			   "acknowledged", &acknowledged, "port", &record.port, "version",
			   &record.version, "uid", &record.uid, "memory_mb",
			   &record.memory_mb, "cpus", &record.cpus, "labels",
			   &record.labels, "created_at", &created_at, "image_id",
			   &image_id, "libc", &libc, "reason", &reason,
			   "outside_since_ms", &outside_since_ms, "icu", &icu,
			   "expires_at", &expires_at, "expire_purge", &expire_purge,
			   "stopped_at", &stopped_at, "owner", &owner, "allow", &allow,
			   "tls", &tls, "disk_mb", &record.disk_mb) != 0)
		return fail(err, ERR_FOREIGN_DATA, "record cannot be understood: %s",
			    problem.text);
	if (format != RECORD_FORMAT)
		return fail(err, ERR_FOREIGN_DATA, "record has the unknown format %d",
			    format);
	if (!name_is_valid(name) || !wanted_from_name(&record.wanted, wanted) ||
	    !json_is_object(record.labels) || record.uid <= 0 || record.disk_mb < 0 ||
	    !tls_from_name(&record.tls, tls))
		return fail(err, ERR_FOREIGN_DATA, "record has a member out of range");
	record.allow = networks_everybody();
	if (allow && !networks_from_json(&record.allow, allow, "allow", err))
		return fail(err, ERR_FOREIGN_DATA, "record's allow cannot be understood");
	record.acknowledged = acknowledged;
	record.outside_since_ms = outside_since_ms;
	record.expires_at = expires_at;
	record.expire_purge = expire_purge;
	record.stopped_at = stopped_at;
	text_copy(record.storage_dir, sizeof(record.storage_dir), name);
	text_copy(record.owner, sizeof(record.owner), owner);
	text_copy(record.created_at, sizeof(record.created_at), created_at);
	text_copy(record.image_id, sizeof(record.image_id), image_id);
	text_copy(record.libc, sizeof(record.libc), libc);
	text_copy(record.icu, sizeof(record.icu), icu);
	text_copy(record.reason, sizeof(record.reason), reason);
	json_incref(record.labels);
	*ret_record = record;
	return true;
}
