/* Records, as anybody may have left them in a directory: instance.json. */
#include "base/buf.h"
#include "base/scope.h"
#include "daemon/api.h"
#include "daemon/api_parts.h"
#include "fuzz.h"
#include "instance/instance.h"
#include "model/field.h"
#include "model/record_json.h"
#include "pg/conf.h"

/* The promises that others rely on, whatever was read. */
static void must_be_sound(const struct record *record)
{
	struct error err;

	must(name_is_valid(record->storage_dir));
	must(record->wanted <= WANTED_STORED && record->tls <= TLS_REQUIRED);
	must(record->port == 0 || (record->port >= 1024 && record->port <= 65535));
	must(record->version >= 13 && record->version <= 99 && record->uid > 0);
	must(record->memory_mb >= 128 && record->cpus >= 0.1);
	must(record->disk_mb == 0 || record->disk_mb >= DISK_MIN_MB);
	must(record->expires_at >= 0 && record->stopped_at >= 0);
	must(labels_check(record->labels, "labels", &err));
	labels_have(record->labels, "a=1");
	must(record->allow.count >= 0 && record->allow.count <= NETWORKS_MAX);
}

static void must_be_shown(const struct record *record)
{
	struct view view = { .record = *record, .state = STOPPED };
	json_auto_t *json = view_to_json(&view);
	AUTO_BUF text = { 0 };
	AUTO_BUF conf = { 0 };

	must(json && buf_json(&text, json, JSON_COMPACT));
	must(conf_server(&conf, record));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_auto_t *json =
		json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
	json_auto_t *written = NULL;
	json_auto_t *again = NULL;
	AUTO_RECORD record = { 0 };
	AUTO_RECORD other = { 0 };
	struct error err = { 0 };

	config_use(fuzz_config());
	if (!json)
		return 0;
	if (!record_from_json(&record, json, &err)) {
		must_be_an_error(&err);
		must(err.code == ERR_FOREIGN_DATA);
		return 0;
	}
	must_be_sound(&record);
	must_be_shown(&record);
	written = record_to_json(&record);
	must(written && record_from_json(&other, written, &err));
	again = record_to_json(&other);
	must(json_equal(written, again));
	return 0;
}
