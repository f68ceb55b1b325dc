/* Options are rows of one table, with their defaults; libinih parses the file. */
#include "model/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>

#include "base/scope.h"

#define UID_NOBODY 65534 /* has the files of users that a kernel or NFS cannot name */
#define UID_NONE 65535	 /* (uid_t)-1 in 16 bits */
#define ADMIN_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789_"
#define NETWORK_CHARACTERS "abcdefghijklmnopqrstuvwxyz0123456789_.-"

enum kind { TEXT, NUMBER, SWITCH };

/* Versions of clang-format differ on braces in macros. */
/* clang-format off */
#define OPTION(name, kind, member, ...)                                                  \
	{                                                                                \
		name, kind, offsetof(struct config, member), __VA_ARGS__                 \
	}
/* clang-format on */

static const struct option {
	const char *name;
	enum kind kind;
	size_t offset;
	const char *value; /* the default; NULL: not set */
	int min, max;
} options[] = {
	OPTION("root", TEXT, root, "/var/lib/pgberth", 0, 0),
	OPTION("socket", TEXT, socket, "/run/pgberth/pgberthd.sock", 0, 0),
	OPTION("socket_group", TEXT, socket_group, "www-data", 0, 0),
	OPTION("log", TEXT, log, "-", 0, 0),
	OPTION("listen", TEXT, listen, "127.0.0.1 ::1", 0, 0),
	OPTION("publish_address", TEXT, publish_address, "127.0.0.1", 0, 0),
	OPTION("admin_user", TEXT, admin_user, "pythonanywhere_helper", 0, 0),
	OPTION("versions", TEXT, versions, "17 15 18", 0, 0),
	OPTION("tokens", TEXT, tokens, "/etc/pgberth/tokens", 0, 0),
	OPTION("engine_socket", TEXT, engine_socket, "/var/run/docker.sock", 0, 0),
	OPTION("network", TEXT, network, "pgberth0", 0, 0),
	OPTION("egress", TEXT, egress, "none", 0, 0),
	OPTION("seccomp_profile", TEXT, seccomp_profile, "/etc/pgberth/seccomp.json", 0,
	       0),
	OPTION("tls_certificate", TEXT, tls_certificate, NULL, 0, 0),
	OPTION("tls_key", TEXT, tls_key, NULL, 0, 0),
	OPTION("port_min", NUMBER, port_min, "6000", 1024, 65535),
	OPTION("port_max", NUMBER, port_max, "9999", 1024, 65535),
	OPTION("uid_min", NUMBER, uid_min, "1900000000", UID_LEAST, UID_MOST),
	OPTION("uid_max", NUMBER, uid_max, "1900065535", UID_LEAST, UID_MOST),
	OPTION("workers", NUMBER, workers, "96", 4, 1024),
	OPTION("changes", NUMBER, changes, "64", 1, 1000),
	OPTION("start_timeout", NUMBER, start_timeout_s, "240", 5, 3600),
	OPTION("stop_timeout", NUMBER, stop_timeout_s, "120", 1, 3600),
	OPTION("log_mb", NUMBER, log_mb, "100", 20, 100000),
	OPTION("spares", NUMBER, spares, "4", 0, 16),
	OPTION("trash_days", NUMBER, trash_days, "7", 0, 36500),
	OPTION("free_percent", NUMBER, free_percent, "10", 0, 100),
	OPTION("disk_mb", NUMBER, disk_mb, "0", 0, INT_MAX),
	OPTION("io_mb_s", NUMBER, io_mb_s, "0", 0, 1000000),
	OPTION("heal", SWITCH, heal, "off", 0, 0),
#undef OPTION
};

struct reading {
	struct config *cfg;
	struct error *err;
};

static bool number_set(int *ret_number, const struct option *option, const char *value,
		       struct error *err)
{
	char *end;
	long number;

	errno = 0;
	number = strtol(value, &end, 10);
	if (errno || end == value || *end || number < option->min || number > option->max)
		return fail(err, ERR_INVALID, "%s must be a whole number from %d to %d",
			    option->name, option->min, option->max);
	*ret_number = (int)number;
	return true;
}

static bool switch_set(bool *ret_on, const struct option *option, const char *value,
		       struct error *err)
{
	if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
		return fail(err, ERR_INVALID, "%s must be on or off", option->name);
	*ret_on = strcmp(value, "on") == 0;
	return true;
}

static bool text_set(char **ret_text, const struct option *option, const char *value,
		     struct error *err)
{
	if (!*value)
		return fail(err, ERR_INVALID, "%s must not be empty", option->name);
	free(*ret_text);
	*ret_text = strdup(value);
	return *ret_text || fail(err, ERR_INTERNAL, "out of memory");
}

static bool option_set(struct config *cfg, const struct option *option, const char *value,
		       struct error *err)
{
	char *member = (char *)cfg + option->offset;

	switch (option->kind) {
	case NUMBER:
		return number_set((int *)(void *)member, option, value, err);
	case SWITCH:
		return switch_set((bool *)member, option, value, err);
	case TEXT:
		break;
	}
	return text_set((char **)(void *)member, option, value, err);
}

static int on_line(void *user, const char *section, const char *name, const char *value)
{
	struct reading *reading = user;

	if (strcmp(section, "pgberth") != 0)
		return fail(reading->err, ERR_INVALID, "unknown section [%s]", section);
	for (size_t i = 0; i < COUNT_OF(options); i++)
		if (strcmp(options[i].name, name) == 0)
			return option_set(reading->cfg, &options[i], value, reading->err);
	return fail(reading->err, ERR_INVALID, "unknown key %s", name);
}

static bool versions_parse(struct config *cfg, struct error *err)
{
	const char *at = cfg->versions;
	int count = 0;

	while (*at) {
		char *end;
		long version = strtol(at, &end, 10);

		if (end == at || (*end && *end != ' ') || version < 13 || version > 99 ||
		    count == VERSIONS_MAX - 1)
			return fail(err, ERR_INVALID,
				    "versions must be up to %d majors such as 17 15 18",
				    VERSIONS_MAX - 1);
		cfg->version[count++] = (int)version;
		at = end + strspn(end, " ");
	}
	return true;
}

/* The network's name is its bridge's too (IFNAMSIZ), and part of paths of the engine's
 * API. */
static bool network_check(const struct config *cfg, struct error *err)
{
	static const char *const others[] = { "host", "none", "default", ".", ".." };
	const char *name = cfg->network;

	for (size_t i = 0; i < COUNT_OF(others); i++)
		if (strcmp(name, others[i]) == 0)
			return fail(err, ERR_INVALID, "network must not be %s", name);
	if (strlen(name) > 15 || name[strspn(name, NETWORK_CHARACTERS)])
		return fail(err, ERR_INVALID,
			    "network must be up to 15 characters of a-z, 0-9, _ . and -");
	if (strcmp(cfg->egress, "none") != 0 && strcmp(cfg->egress, "open") != 0)
		return fail(err, ERR_INVALID, "egress must be none or open");
	return true;
}

/* PostgreSQL refuses three kinds of names even in quotes (RoleId in its gram.y, and
 * IsReservedName()). */
static bool admin_check(const char *name, struct error *err)
{
	static const char *const reserved[] = { "public", "none" };

	for (size_t i = 0; i < COUNT_OF(reserved); i++)
		if (strcmp(name, reserved[i]) == 0)
			return fail(err, ERR_INVALID,
				    "admin_user must not be %s, which PostgreSQL "
				    "reserves",
				    name);
	return (strlen(name) <= 63 && strncmp(name, "pg_", 3) != 0 &&
		!name[strspn(name, ADMIN_CHARACTERS)]) ||
	       fail(err, ERR_INVALID,
		    "admin_user must be up to 63 characters of a-z, 0-9 and _, and "
		    "must not begin with pg_");
}

static bool config_check(struct config *cfg, struct error *err)
{
	struct in_addr address;

	if (cfg->port_min > cfg->port_max)
		return fail(err, ERR_INVALID, "port_min must not be above port_max");
	if (cfg->uid_min > cfg->uid_max)
		return fail(err, ERR_INVALID, "uid_min must not be above uid_max");
	if (cfg->uid_min <= UID_NONE && cfg->uid_max >= UID_NOBODY)
		return fail(err, ERR_INVALID,
			    "uid_min to uid_max must not include %d (nobody) and %d",
			    UID_NOBODY, UID_NONE);
	if (cfg->changes >= cfg->workers)
		return fail(err, ERR_INVALID,
			    "changes must be below workers, or a GET may find no worker");
	if (inet_pton(AF_INET, cfg->publish_address, &address) != 1)
		return fail(err, ERR_INVALID, "publish_address must be an IPv4 address");
	if (!cfg->tls_certificate != !cfg->tls_key)
		return fail(err, ERR_INVALID,
			    "tls_certificate and tls_key go together: give both or none");
	return admin_check(cfg->admin_user, err) && network_check(cfg, err) &&
	       versions_parse(cfg, err);
}

/* Limits of the host, which the limits of servers may not exceed. store_open() reports a
 * missing root. */
static bool host_look(struct config *cfg, struct error *err)
{
	struct statvfs disk = { 0 };
	unsigned long long disk_mb;
	struct sysinfo host;

	sysinfo(&host);
	cfg->host_memory_mb = (int)(host.totalram * host.mem_unit / (1024 * 1024));
	cfg->host_cpus = get_nprocs();
	if (statvfs(cfg->root, &disk) != 0)
		return true;
	disk_mb = (unsigned long long)disk.f_blocks * disk.f_frsize >> 20;
	cfg->host_disk_mb = disk_mb < INT_MAX ? (int)disk_mb : INT_MAX;
	if (cfg->disk_mb == 0 ||
	    (cfg->disk_mb >= DISK_MIN_MB && cfg->disk_mb <= cfg->host_disk_mb))
		return true;
	return fail(err, ERR_INVALID,
		    "disk_mb must be 0, or from %d to %d, the size of root's file system",
		    DISK_MIN_MB, cfg->host_disk_mb);
}

bool config_load(struct config *cfg, const char *path, struct error *err)
{
	struct reading reading = { cfg, err };
	int line;

	*cfg = (struct config){ 0 };
	for (size_t i = 0; i < COUNT_OF(options); i++)
		if (options[i].value &&
		    !option_set(cfg, &options[i], options[i].value, err))
			return false;
	err->message[0] = '\0';
	line = ini_parse(path, on_line, &reading);
	if (line < 0)
		return fail(err, ERR_INVALID, "%s cannot be read", path);
	if (line > 0 && !err->message[0])
		return fail(err, ERR_INVALID,
			    "%s line %d is neither a section nor key = value", path,
			    line);
	if (line > 0 || !config_check(cfg, err) || !host_look(cfg, err))
		return fail_because(err, "%s", path);
	return true;
}

static const struct config *in_force;

const struct config *config(void)
{
	return in_force;
}

void config_use(const struct config *cfg)
{
	in_force = cfg;
}

bool config_has_version(const struct config *cfg, int version)
{
	for (int i = 0; cfg->version[i]; i++)
		if (cfg->version[i] == version)
			return true;
	return false;
}

bool config_is_loopback(const char *address)
{
	struct in6_addr six;
	struct in_addr four;

	if (inet_pton(AF_INET, address, &four) == 1)
		return (ntohl(four.s_addr) >> 24) == 127;
	return inet_pton(AF_INET6, address, &six) == 1 && IN6_IS_ADDR_LOOPBACK(&six);
}

bool config_listens_on_loopback_only(const struct config *cfg)
{
	AUTO_FREE char *list = strdup(cfg->listen);
	char *rest = list;
	char *word;

	while (list && (word = strsep(&rest, " ,")))
		if (*word && !config_is_loopback(word))
			return false;
	return list != NULL;
}
