/* A tenant's container may do as little as PostgreSQL needs. */
#include "engine/container_spec.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/scope.h"
#include "engine/http.h"
#include "engine/io_limit.h"
#include "model/config.h"
#include "model/field.h"

static char
	*seccomp_option; /* "seccomp=" and the profile's text, as the API expects it */

bool engine_spec_init(struct error *err)
{
	json_error_t problem;
	json_auto_t *profile = json_load_file(config()->seccomp_profile, 0, &problem);
	AUTO_BUF option = { 0 };

	if (!profile)
		return fail(err, ERR_INVALID, "seccomp_profile %s: %s",
			    config()->seccomp_profile, problem.text);
	if (!buf_printf(&option, "seccomp=") || !buf_json(&option, profile, JSON_COMPACT))
		return fail(err, ERR_INTERNAL, "out of memory");
	seccomp_option = take(&option.data);
	return true;
}

static json_int_t bytes_of_mb(long long megabytes)
{
	return (json_int_t)megabytes << 20;
}

json_t *engine_spec_limits(const struct record *record)
{
	const struct limits limits = field_limits(record);

	/* MemorySwap is memory and swap together: the same figure means no swap. */
	return json_pack("{s:I s:I s:I}", "Memory", bytes_of_mb(limits.memory_mb),
			 "MemorySwap", bytes_of_mb(limits.memory_mb), "NanoCpus",
			 (json_int_t)(limits.cpus * 1e9 + 0.5));
}

static json_t *mount_of(const char *source, const char *target, bool read_only)
{
	return json_pack("{s:s s:s s:s s:b s:{s:s s:b}}", "Type", "bind", "Source",
			 source, "Target", target, "ReadOnly", read_only, "BindOptions",
			 "Propagation", "rprivate", "NonRecursive", 1);
}

static json_t *mounts(const struct container_spec *spec)
{
	json_t *list = json_pack("[o o]", mount_of(spec->pg_dir, "/pg", false),
				 mount_of(spec->conf_dir, "/etc/pgberth", true));

	if (spec->isolated_passwd &&
	    json_array_append_new(
		    list, mount_of(spec->isolated_passwd, "/etc/passwd", true)) != 0) {
		json_decref(list);
		return NULL;
	}
	return list;
}

static json_t *labels(const struct record *record)
{
	char port[16], version[16];

	snprintf(port, sizeof(port), "%d", record->port);
	snprintf(version, sizeof(version), "%d", record->version);
	return json_pack("{s:s s:s s:s s:s}", "pgberth.root", config()->root,
			 "pgberth.storage_dir", record->storage_dir, "pgberth.port", port,
			 "pgberth.version", version);
}

static json_t *port_bindings(int port)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", port);
	return json_pack("{s:[{s:s s:s}]}", "5432/tcp", "HostIp",
			 config()->publish_address, "HostPort", text);
}

/* /dev/shm is for parallel queries; its content counts against the memory limit. */
static json_int_t shm_size(const struct record *record)
{
	int memory_mb = field_limits(record).memory_mb;

	return bytes_of_mb(memory_mb / 2 > 64 ? memory_mb / 2 : 64);
}

/* Takes value. Fails without memory: a setting left out would be a hole in the wall. */
static bool host_add(json_t *host, const char *key, json_t *value)
{
	return json_object_set_new(host, key, value) == 0;
}

/*
 * The engine's resolver passes queries for other names than containers' to the name
 * servers given here, from the container's own network. By default it would take the
 * host's name servers, and ask those on the host's loopback from the host itself: a way
 * out past any firewall. 0.0.0.0 is the container itself.
 */
static bool network_add(json_t *host, const struct record *record)
{
	if (strcmp(config()->egress, "none") == 0 &&
	    !host_add(host, "Dns", json_pack("[s]", "0.0.0.0")))
		return false;
	return host_add(host, "DnsSearch", json_pack("[s]", ".")) &&
	       host_add(host, "NetworkMode", json_string(config()->network)) &&
	       host_add(host, "PortBindings", port_bindings(record->port)) &&
	       host_add(host, "RestartPolicy",
			json_pack("{s:s}", "Name", "unless-stopped"));
}

static json_t *host_config(const struct container_spec *spec)
{
	const struct record *record = spec->record;
	json_t *host = engine_spec_limits(record);
	json_auto_t *more = json_pack(
		"{s:o s:b s:i s:i s:I s:i s:[s] s:b s:b s:[s s] s:{s:s} s:s s:s"
		" s:[{s:s s:i s:i} {s:s s:i s:i}] s:{s:s s:{s:s s:s}}}",
		"Mounts", mounts(spec), "Init", 1, "PidsLimit", CONTAINER_PROCESSES,
		"CpuShares", 512, "ShmSize", shm_size(record), "OomScoreAdj", 500,
		"CapDrop", "ALL", "Privileged", 0, "ReadonlyRootfs", 1, "SecurityOpt",
		"no-new-privileges", seccomp_option, "Tmpfs", "/tmp",
		"rw,noexec,nosuid,nodev,size=64m,nr_inodes=16k,mode=1777", "IpcMode",
		"private", "CgroupnsMode", "private", "Ulimits", "Name", "nofile", "Soft",
		4096, "Hard", 4096, "Name", "core", "Soft", 0, "Hard", 0, "LogConfig",
		"Type", "json-file", "Config", "max-size", "1m", "max-file", "2");

	if (!host || !more || json_object_update(host, more) != 0 ||
	    !io_limit_add(host)) {
		json_decref(host);
		return NULL;
	}
	if (!(spec->isolated_passwd ? host_add(host, "NetworkMode", json_string("none"))
				    : network_add(host, record))) {
		json_decref(host);
		return NULL;
	}
	return host;
}

static json_t *argv_to_json(const char *const *argv)
{
	json_t *list = json_array();

	for (; list && *argv; argv++)
		if (json_array_append_new(list, json_string(*argv)) != 0) {
			json_decref(list);
			return NULL;
		}
	return list;
}

json_t *engine_spec_to_json(const struct container_spec *spec)
{
	char user[32];

	snprintf(user, sizeof(user), "%d:%d", spec->record->uid, spec->record->uid);
	return json_pack(
		"{s:s s:s s:s s:o s:[] s:[s s s] s:s s:i s:{s:{}} s:{s:[s]} s:o s:o}",
		"Image", spec->image_id, "User", user, "Hostname", "pg", "Entrypoint",
		argv_to_json(spec->argv), "Cmd", "Env", "LANG=C.UTF-8", "TZ=UTC",
		"PATH=/usr/local/bin:/usr/bin:/bin", "StopSignal", "SIGINT",
		"StopTimeout", config()->stop_timeout_s, "ExposedPorts", "5432/tcp",
		"Healthcheck", "Test", "NONE", "Labels", labels(spec->record),
		"HostConfig", host_config(spec));
}

char *engine_spec_filters(const char *storage_dir)
{
	json_auto_t *filters =
		json_pack("{s:[s+]}", "label", "pgberth.root=", config()->root);
	AUTO_BUF text = { 0 };

	if (*storage_dir && json_array_append_new(json_object_get(filters, "label"),
						  json_sprintf("pgberth.storage_dir=%s",
							       storage_dir)) != 0)
		return NULL;
	return buf_json(&text, filters, JSON_COMPACT)
		       ? engine_http_escape(buf_text(&text))
		       : NULL;
}
