/* A request's body: a digit for the table of fields, a line with its type, the body. */
#include "base/scope.h"
#include "fuzz.h"
#include "model/spec.h"

static const struct field *const tables[] = { create_fields,   change_fields,
					      password_fields, start_fields,
					      purge_fields,    no_fields };

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

	if (spec->given & GIVEN_STORAGE_DIR)
		must(name_is_valid(spec->storage_dir));
	if (spec->given & GIVEN_PASSWORD)
		must(strnlen(spec->admin_password, sizeof(spec->admin_password)) - 1 <
		     PASSWORD_MAX);
	if (spec->given & GIVEN_PORT)
		must(spec->port >= cfg->port_min && spec->port <= cfg->port_max);
	if (spec->given & GIVEN_VERSION)
		must(config_has_version(cfg, spec->version));
	if (spec->given & GIVEN_MEMORY)
		must(spec->memory_mb >= 128 && spec->memory_mb <= cfg->host_memory_mb);
	if (spec->given & GIVEN_CPUS)
		must(spec->cpus >= 0.1 && spec->cpus <= cfg->host_cpus);
	if (spec->given & GIVEN_DISK)
		must(spec->disk_mb >= DISK_MIN_MB && spec->disk_mb <= cfg->host_disk_mb);
	if (spec->given & GIVEN_EXPIRES)
		must(spec->expires_in_s >= 0);
	if (spec->given & GIVEN_DAYS)
		must(spec->stopped_days >= 0);
	if (spec->given & GIVEN_LABELS)
		must_be_labels(spec->labels);
}

/* Nothing is taken that the table has not, all is that it requires. */
static void must_fit(const struct spec *spec, const struct field *fields)
{
	unsigned known = 0;

	for (; fields->name; fields++) {
		known |= fields->given;
		if (fields->required)
			must(spec->given & fields->given);
	}
	must((spec->given & ~known) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input = { (const char *)data, size };
	const struct field *fields = tables[input_byte(&input) % COUNT_OF(tables)];
	AUTO_FREE char *type = input_text(&input, "\n");
	struct error err = { 0 };
	AUTO_SPEC spec = { 0 };

	spec_set_limits(fuzz_config());
	if (!spec_parse(&spec, fields, type, input.data, input.left, &err)) {
		must_be_an_error(&err);
		must(!strstr(err.message, "canary")); /* as passwords here have it */
		must(err.code == ERR_MEDIA_TYPE || err.code == ERR_UNREADABLE ||
		     err.code == ERR_INVALID);
		must(spec.given == 0);
		return 0;
	}
	must_be_checked(&spec);
	if (input.left > 0)
		must_fit(&spec, fields);
	return 0;
}
