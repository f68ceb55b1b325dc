/* Fields are rows of one table, in the order of answers. */
#include "model/field.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/scope.h"
#include "model/config.h"

#define YEAR_9999_S 253402300799.0 /* the last second of year 9999 */
#define TEN_YEARS_S 315360000
#define MEMORY_MAX_MB (64 << 20)
#define CPUS_MAX 4096

static void narrow_port(const struct config *cfg, struct range *range)
{
	range->min = cfg->port_min;
	range->max = cfg->port_max;
}

static void narrow_version(const struct config *cfg, struct range *range)
{
	range->value = cfg->version[0];
}

static void narrow_memory(const struct config *cfg, struct range *range)
{
	range->max = cfg->host_memory_mb;
	range->value = range->value < range->max ? range->value : range->max;
}

static void narrow_cpus(const struct config *cfg, struct range *range)
{
	range->max = cfg->host_cpus;
}

static void narrow_disk(const struct config *cfg, struct range *range)
{
	range->max = cfg->host_disk_mb;
	range->value = cfg->disk_mb;
}

static bool check_version(const struct field *field, const void *member,
			  struct error *err)
{
	return config_has_version(config(), *(const int *)member) ||
	       fail_field(err, field->name, "must be one of: %s", config()->versions);
}

/* Name, kind, member, calls, flags; then values that not all have. */
/* Versions of clang-format differ on braces in macros. */
/* clang-format off */
#define FIELD(its_name, its_kind, member, its_calls, its_flags, ...)                     \
	{                                                                                \
		.name = its_name, .kind = its_kind,                                      \
		.offset = offsetof(struct spec, member),                                 \
		.size = sizeof(((struct spec *)NULL)->member), .calls = its_calls,       \
		.flags = its_flags, __VA_ARGS__                                          \
	}
/* clang-format on */
#define RANGE(least, most, usual) .range = { least, most, usual }
#define OPTION(its_argument, its_help) .argument = (its_argument), .help = (its_help)
#define BOTH (IN_CREATE | IN_CHANGE)

/* In the order of answers. */
const struct field fields[] = {
	FIELD("storage_dir", NAME, record.storage_dir, IN_CREATE,
	      REQUIRED | KEPT | ESSENTIAL | SHOWN, RANGE(1, 0, 0)),
	FIELD("admin_password", TEXT, admin_password, IN_CREATE | IN_PASSWORD, REQUIRED,
	      RANGE(1, 0, 0)),
	FIELD("wanted", CHOICE, record.wanted, 0, KEPT | ESSENTIAL,
	      .choices = wanted_names),
	FIELD("acknowledged", SWITCH, record.acknowledged, 0, KEPT | ESSENTIAL),
	FIELD("owner", NAME, record.owner, 0, KEPT),
	FIELD("owner_id", TEXT, record.owner_id, 0, KEPT),
	FIELD("port", INTEGER, record.port, BOTH | IN_START,
	      KEPT | ESSENTIAL | SHOWN | MAY_BE_0 | RESTARTS, RANGE(1024, 65535, 0),
	      .narrow = narrow_port, .key = 'p', OPTION("PORT", "default: a free one")),
	FIELD("version", INTEGER, record.version, IN_CREATE, KEPT | ESSENTIAL | SHOWN,
	      RANGE(13, 99, 0), .narrow = narrow_version, .check = check_version,
	      .option = "pg-version", OPTION("MAJOR", "of PostgreSQL")),
	FIELD("created_at", TEXT, record.created_at, 0, KEPT | ESSENTIAL | SHOWN),
	FIELD("labels", LABELS, record.labels, BOTH, KEPT | ESSENTIAL | SHOWN,
	      .option = "label", .key = 'l', OPTION("KEY=VALUE", "any number of times")),
	FIELD("memory_mb", INTEGER, record.memory_mb, BOTH,
	      KEPT | ESSENTIAL | SHOWN | IS_LIMIT, RANGE(128, MEMORY_MAX_MB, 512),
	      .narrow = narrow_memory, OPTION("MB", "default 512")),
	FIELD("cpus", NUMBER, record.cpus, BOTH, KEPT | ESSENTIAL | SHOWN | IS_LIMIT,
	      RANGE(0.1, CPUS_MAX, 1), .narrow = narrow_cpus,
	      OPTION("NUMBER", "default 1")),
	FIELD("disk_mb", INTEGER, record.disk_mb, BOTH,
	      KEPT | SHOWN | IS_LIMIT | MAY_BE_0, RANGE(DISK_MIN_MB, INT_MAX, 0),
	      .narrow = narrow_disk, OPTION("MB", "a quota of disk space")),
	FIELD("uid", INTEGER, record.uid, 0, KEPT | ESSENTIAL, RANGE(1, INT_MAX, 0)),
	FIELD("uid_was", INTEGER, record.uid_was, 0, KEPT | MAY_BE_0,
	      RANGE(1, INT_MAX, 0)),
	FIELD("image_id", TEXT, record.image_id, 0, KEPT | ESSENTIAL),
	FIELD("libc", TEXT, record.libc, 0, KEPT | ESSENTIAL),
	FIELD("icu", TEXT, record.icu, 0, KEPT),
	FIELD("reason", TEXT, record.reason, 0, KEPT | ESSENTIAL),
	FIELD("outside_since_ms", TIME, record.outside_since_ms, 0, KEPT | ESSENTIAL,
	      RANGE(0, YEAR_9999_S * 1000, 0)),
	FIELD("expires_in", INTEGER, expires_in_s, BOTH, RENEWED,
	      RANGE(0, TEN_YEARS_S, 0),
	      OPTION("SECONDS", "then it is deleted by itself")),
	FIELD("expires_at", TIME, record.expires_at, 0, KEPT | SHOWN,
	      RANGE(0, YEAR_9999_S, 0)),
	FIELD("expire_purge", SWITCH, record.expire_purge, BOTH, KEPT | SHOWN | RENEWED,
	      OPTION(NULL, "and its storage trashed")),
	FIELD("stopped_at", TIME, record.stopped_at, 0, KEPT, RANGE(0, YEAR_9999_S, 0)),
	FIELD("allow", NETWORKS, record.allow, BOTH, KEPT | SHOWN,
	      OPTION("NETWORK", "may connect, any number of times (\"\": only its host); "
				"default: everybody")),
	FIELD("tls", CHOICE, record.tls, BOTH, KEPT | SHOWN, .choices = tls_names,
	      OPTION("CHOICE", "offered (default) or required")),
	FIELD("safe", SWITCH, safe, IN_START, 0),
	FIELD("stopped_days", INTEGER, stopped_days, IN_PURGE, REQUIRED,
	      RANGE(0, 36500, 0)),
	FIELD("dry_run", SWITCH, dry_run, IN_PURGE, 0, RANGE(0, 0, true)),
	FIELD("purge", SWITCH, purge, IN_DELETE, 0),
	FIELD("state", TEXT, state, IN_LIST, 0),
	FIELD("label", TEXT, label, IN_LIST, 0),
	FIELD("limit", INTEGER, limit, IN_LIST, 0, RANGE(1, 1000, 1000)),
	FIELD("after", NAME, after, IN_LIST, 0, RANGE(1, 0, 0)),
	FIELD("tail", INTEGER, tail, IN_LOGS, 0, RANGE(1, 10000, 100)),
	FIELD("follow", SWITCH, follow, IN_LOGS, 0),
	{ .name = NULL },
};

_Static_assert(COUNT_OF(fields) <= 64, "a bit each in spec.given");

static struct range range_of(const struct field *field)
{
	struct range range = field->range;

	if (field->narrow && config())
		field->narrow(config(), &range);
	return range;
}

static unsigned long long bit_of(const struct field *field)
{
	return 1ULL << (field - fields);
}

static void *member_of(const struct field *field, struct spec *spec)
{
	return (char *)spec + field->offset;
}

const struct field *field_named(unsigned calls, const char *name)
{
	for (const struct field *field = fields; field->name; field++)
		if ((field->calls & calls) && strcmp(field->name, name) == 0)
			return field;
	return NULL;
}

bool field_is_given(const struct spec *spec, size_t offset)
{
	for (const struct field *field = fields; field->name; field++)
		if (field->offset == offset)
			return spec->given & bit_of(field);
	abort();
}

bool field_take(const struct field *field, const json_t *value, bool is_text,
		struct spec *spec, struct error *err)
{
	struct range here = range_of(field);
	void *member = member_of(field, spec);

	spec->given |= bit_of(field);
	/* The second reading fails as well, and names the range of this host. */
	return kind_read(field, &field->range, value, is_text, member, err) ||
	       kind_read(field, &here, value, is_text, member, err);
}

bool fields_expect(unsigned calls, struct spec *spec, struct error *err)
{
	for (const struct field *field = fields; field->name; field++)
		if ((field->calls & calls) && !(field->flags & KEPT) &&
		    !kind_default(field, field->range.value, member_of(field, spec), err))
			return false;
	return true;
}

bool fields_default(struct record *ret, struct error *err)
{
	struct record record = { 0 };

	for (const struct field *field = fields; field->name; field++)
		if ((field->flags & KEPT) &&
		    !kind_default(field, range_of(field).value, field_of(field, &record),
				  err)) {
			record_done(&record);
			return false;
		}
	*ret = record;
	return true;
}

static bool is_given_and_kept(const struct field *field, const struct spec *spec)
{
	return (field->flags & KEPT) && (spec->given & bit_of(field));
}

static bool is_granted(const struct field *field, const void *member, struct error *err)
{
	struct range here = range_of(field);

	return (!field->narrow || kind_in_range(field, &here, member, err)) &&
	       (!field->check || field->check(field, member, err));
}

bool fields_grant(const struct spec *spec, const struct record *has, struct error *err)
{
	for (const struct field *field = fields; field->name; field++) {
		if (!is_given_and_kept(field, spec))
			continue;
		if (has && kind_equal(field, field_of_const(field, has),
				      field_of_const(field, &spec->record)))
			continue;
		if (!is_granted(field, field_of_const(field, &spec->record), err))
			return false;
	}
	return true;
}

void fields_apply(struct record *record, const struct spec *spec)
{
	for (const struct field *field = fields; field->name; field++)
		if (is_given_and_kept(field, spec))
			kind_copy(field, field_of(field, record),
				  field_of_const(field, &spec->record));
	if (GIVEN(spec, expires_in_s))
		record->expires_at =
			spec->expires_in_s ? time(NULL) + spec->expires_in_s : 0;
}

const char *fields_differ(const struct record *record, const struct spec *spec)
{
	for (const struct field *field = fields; field->name; field++)
		if (is_given_and_kept(field, spec) && !(field->flags & RENEWED) &&
		    !kind_equal(field, field_of_const(field, record),
				field_of_const(field, &spec->record)))
			return field->name;
	return NULL;
}

void fields_names(unsigned long long given, char ret[FIELDS_NAMES_SIZE])
{
	size_t used = 0;

	ret[0] = '\0';
	for (const struct field *field = fields; field->name; field++)
		if ((given & bit_of(field)) && used < FIELDS_NAMES_SIZE)
			used += (size_t)snprintf(ret + used, FIELDS_NAMES_SIZE - used,
						 "%s%s", used ? "," : "", field->name);
}

bool field_exists(const char *name)
{
	return field_named(~0U, name);
}

bool fields_renew(const struct spec *spec)
{
	for (const struct field *field = fields; field->name; field++)
		if ((field->flags & RENEWED) && (spec->given & bit_of(field)))
			return true;
	return false;
}

static bool has_word(const char *text, const char *word)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
	size_t length = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at++)
		if ((at == text || !strchr(letters, at[-1])) &&
		    (!at[length] || !strchr(letters, at[length])))
			return true;
	return false;
}

bool fields_end_reason(const struct record *was, const struct record *record)
{
	for (const struct field *field = fields; field->name; field++)
		if ((field->calls & IN_CHANGE) && (field->flags & KEPT) &&
		    has_word(was->reason, field->name) &&
		    !kind_equal(field, field_of_const(field, was),
				field_of_const(field, record)))
			return true;
	return false;
}

bool fields_restart(const struct record *was, const struct record *record)
{
	for (const struct field *field = fields; field->name; field++)
		if ((field->flags & RESTARTS) &&
		    !kind_equal(field, field_of_const(field, was),
				field_of_const(field, record)))
			return true;
	return false;
}

struct limits field_limits(const struct record *record)
{
	struct limits limits = { record->memory_mb, record->cpus };

	if (config() && config()->host_memory_mb < limits.memory_mb)
		limits.memory_mb = config()->host_memory_mb;
	if (config() && config()->host_cpus < limits.cpus)
		limits.cpus = config()->host_cpus;
	return limits;
}

void fields_lower(struct record *record, struct buf *said)
{
	const struct limits limits = field_limits(record);

	if (limits.memory_mb < record->memory_mb)
		buf_printf(said, "; its memory_mb is %d here", limits.memory_mb);
	if (limits.cpus < record->cpus)
		buf_printf(said, "; its cpus is %.4g here", limits.cpus);
	record->memory_mb = limits.memory_mb;
	record->cpus = limits.cpus;
}
