/* A request's body: a digit for the call whose fields it has, a line with its type, the body. */
#include "model/body.h"
#include "base/scope.h"
#include "fuzz.h"
#include "model/field.h"

static const unsigned tables[] = { IN_CREATE, IN_CHANGE, IN_PASSWORD,
				   IN_START,  IN_PURGE,	 0 };

static void must_be_labels(const json_t *labels)
{
	const char *key;
	json_t *value;

	must(json_object_size(labels) <= 16);
	json_object_foreach ((json_t *)labels, key, value) {
		must(strlen(key) >= 1 && strlen(key) <= 63);
		must(strncmp(key, "pgberth", 7) != 0);
		must(json_string_length(value) <= 255);
		must(strlen(json_string_value(value)) == json_string_length(value));
	}
}

static void must_be_checked(const struct spec *spec)
{
	const struct config *cfg = fuzz_config();

	if (GIVEN(spec, record.storage_dir))
		must(name_is_valid(spec->record.storage_dir));
	if (GIVEN(spec, admin_password))
		must(strnlen(spec->admin_password, sizeof(spec->admin_password)) - 1 <
		     PASSWORD_MAX);
	if (GIVEN(spec, record.port))
		must(spec->record.port >= cfg->port_min &&
		     spec->record.port <= cfg->port_max);
	if (GIVEN(spec, record.version))
		must(config_has_version(cfg, spec->record.version));
	if (GIVEN(spec, record.memory_mb))
		must(spec->record.memory_mb >= 128 &&
		     spec->record.memory_mb <= cfg->host_memory_mb);
	if (GIVEN(spec, record.cpus))
		must(spec->record.cpus >= 0.1 && spec->record.cpus <= cfg->host_cpus);
	if (GIVEN(spec, record.disk_mb))
		must(spec->record.disk_mb >= DISK_MIN_MB &&
		     spec->record.disk_mb <= cfg->host_disk_mb);
	if (GIVEN(spec, expires_in_s))
		must(spec->expires_in_s >= 0);
	if (GIVEN(spec, stopped_days))
		must(spec->stopped_days >= 0);
	if (GIVEN(spec, record.labels))
		must_be_labels(spec->record.labels);
}

/* Nothing is taken that the call has not, all is that it requires. */
static void must_fit(const struct spec *spec, unsigned calls)
{
	for (const struct field *field = fields; field->name; field++)
		if (field->calls & calls)
			must(!(field->flags & REQUIRED) ||
			     field_is_given(spec, field->offset));
		else
			must(!field_is_given(spec, field->offset));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { (const char *)data, size };
	unsigned calls = tables[input_byte(&input) % COUNT_OF(tables)];
	AUTO_FREE char *type = input_text(&input, "\n");
	struct error err = { 0 };
	AUTO_SPEC spec = { 0 };

	config_use(fuzz_config());
	if (!body_parse(&spec, calls, type, input.data, input.left, &err)) {
		must_be_an_error(&err);
		/* As passwords here have it. */
		must(!strstr(err.message, "canary") || strstr(err.field, "canary"));
		must(err.code == ERR_MEDIA_TYPE || err.code == ERR_UNREADABLE ||
		     err.code == ERR_INVALID);
		must(!*spec.record.storage_dir || name_is_valid(spec.record.storage_dir));
		return 0;
	}
	must_be_checked(&spec);
	if (input.left > 0)
		must_fit(&spec, calls);
	return 0;
}
