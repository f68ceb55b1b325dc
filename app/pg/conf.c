/* Configuration files and command lines, made from the record and the configuration. */
#include "pg/conf.h"

#include <stdio.h>
#include <string.h>

#include "base/scope.h"
#include "model/config.h"
#include "model/field.h"
#include "pg/certificate.h"
#include "pg/certificate_host.h"
#include "pg/options.h"

/* pgberthd logs in as root (see pg_ident.conf). The only other user that can enter the
 * socket's directory is the tenant. */
#define HBA_LOCAL                                                                        \
	"# Written by pgberth, which overwrites it.\nlocal all all peer map=pgberth\n"

static bool hba_admit(struct buf *ret, enum tls tls, const char *address)
{
	const char *kind = tls == TLS_REQUIRED ? "hostssl" : "host";

	return buf_printf(ret,
			  "%s all all %s scram-sha-256\n"
			  "%s replication all %s scram-sha-256\n",
			  kind, address, kind, address);
}

static bool hba_admit_clients(struct buf *ret, enum tls tls,
			      const struct networks *clients)
{
	char text[CIDR_TEXT_SIZE];

	if (networks_is_everybody(clients))
		return hba_admit(ret, tls, "all");
	for (int i = 0; i < clients->count; i++) {
		cidr_text(&clients->list[i], text);
		if (!hba_admit(ret, tls, text))
			return false;
	}
	return true;
}

bool conf_hba(struct buf *ret, enum hba hba, const struct networks *clients, enum tls tls)
{
	static const char no_clear[] = "hostnossl all all all reject\n"
				       "hostnossl replication all all reject\n";

	if (!buf_printf(ret, HBA_LOCAL))
		return false;
	if (hba == HBA_SOCKET_ONLY)
		return true;
	if (tls == TLS_REQUIRED && !buf_printf(ret, no_clear))
		return false;
	return hba_admit_clients(ret, tls, clients) &&
	       (hba == HBA_OPEN ||
		buf_printf(ret, "# The server may still have to read it.\n"));
}

/* PostgreSQL's default, 1 GB of WAL between checkpoints, would fill a small disk. */
static bool conf_wal(struct buf *ret, const struct record *record)
{
	int wal_mb = record->disk_mb / 8 < 1024 ? record->disk_mb / 8 : 1024;

	return !record->disk_mb ||
	       buf_printf(ret, "max_wal_size = %dMB\nmin_wal_size = %dMB\n", wal_mb,
			  wal_mb < 80 ? wal_mb : 80);
}

bool conf_server(struct buf *ret, const struct record *record)
{
	int memory_mb = field_limits(record).memory_mb;

	return buf_printf(
		       ret,
		       "# Written by pgberth, which overwrites it; ALTER SYSTEM goes beyond it.\n"
		       "shared_buffers = %dMB\n"
		       "effective_cache_size = %dMB\n"
		       "maintenance_work_mem = %dMB\n"
		       "max_connections = 100\n"
		       "dynamic_shared_memory_type = posix\n"
		       "password_encryption = scram-sha-256\n"
		       "timezone = UTC\n"
		       "log_timezone = UTC\n"
		       "log_line_prefix = '%%m [%%p] %%q%%u@%%d '\n"
		       "restart_after_crash = on\n",
		       memory_mb / 4, memory_mb * 3 / 4, memory_mb / 16) &&
	       conf_wal(ret, record);
}

static bool conf_ident(struct buf *ret)
{
	return buf_printf(ret,
			  "# Written by pgberth, which overwrites it.\n"
			  "pgberth root %s\npgberth root postgres\n",
			  config()->admin_user);
}

bool conf_passwd(struct buf *ret, const struct record *record)
{
	return buf_printf(ret, "root:x:0:0::/:/bin/sh\nserver:x:%d:%d::/:/bin/sh\n",
			  record->uid, record->uid);
}

static bool conf_fill(struct conf *conf, const struct record *record,
		      const struct networks *clients, struct error *err)
{
	static const char *const names[CONF_FILES] = {
		CONF_SERVER_NAME,	   CONF_HBA_NAME,
		"pg_ident.conf",	   CONF_OWN_KEY_NAME,
		CONF_OWN_CERTIFICATE_NAME, CONF_KEY_NAME,
		CONF_CERTIFICATE_NAME,
	};
	bool shared = certificate_host_is_set();
	int count = shared ? CONF_FILES : CONF_FILES - 2;

	if (!certificate_make(record->storage_dir, &conf->text[3], &conf->text[4], err))
		return false;
	if (!conf_server(&conf->text[0], record) ||
	    !conf_hba(&conf->text[1], HBA_OPEN, clients, record->tls) ||
	    !conf_ident(&conf->text[2]) ||
	    (shared && !certificate_host_read(&conf->text[5], &conf->text[6])))
		return fail(err, ERR_INTERNAL, "out of memory");
	for (int i = 0; i < count; i++)
		conf->files[i] = (struct conf_file){ names[i], buf_text(&conf->text[i]) };
	return true;
}

bool conf_make(struct conf *ret, const struct record *record,
	       const struct networks *clients, struct error *err)
{
	struct conf conf = { 0 };

	if (!conf_fill(&conf, record, clients, err)) {
		conf_done(&conf);
		return false;
	}
	*ret = conf;
	return true;
}

void conf_done(struct conf *conf)
{
	for (int i = 0; i < CONF_FILES; i++)
		buf_done(&conf->text[i]);
}

/* Settings on the command line, where neither tenant nor ALTER SYSTEM can change them. */
static const char *const settings[] = {
	"config_file=/etc/pgberth/postgresql.conf",
	"hba_file=/etc/pgberth/pg_hba.conf",
	"ident_file=/etc/pgberth/pg_ident.conf",
	"listen_addresses=*",
	"port=5432",
	"unix_socket_directories=/pg/run",
	"unix_socket_permissions=0700",
	"ssl=on",
	"logging_collector=on",
	"log_destination=stderr",
	"log_directory=/pg/log",
	"log_filename=postgresql-%Y-%m-%d_%H%M%S.log",
	"log_file_mode=0600",
	"log_rotation_size=10MB",
	"log_rotation_age=1d",
	"log_truncate_on_rotation=off",
	"lc_messages=C", /* pgberth looks for words in messages */
};

/* The argv is cut out of the text last, since the text moves when it grows. */
static void argv_cut(const char *argv[CONF_ARGV_MAX], struct buf *text)
{
	size_t count = 0;

	for (size_t at = 0; at < text->length; at += strlen(text->data + at) + 1)
		if (count < CONF_ARGV_MAX - 1)
			argv[count++] = text->data + at;
	argv[count] = NULL;
}

static bool word_add(struct buf *text, const char *word)
{
	return buf_append(text, word, strlen(word) + 1);
}

static bool server_words(struct buf *text, int version)
{
	return buf_printf(text, "/usr/lib/postgresql/%d/bin/postgres", version) &&
	       buf_append(text, "", 1);
}

static bool setting_add(struct buf *text, const char *setting)
{
	return word_add(text, "-c") && word_add(text, setting);
}

static bool settings_add(struct buf *text)
{
	bool shared = certificate_host_is_set();

	for (size_t i = 0; i < COUNT_OF(settings); i++)
		if (!setting_add(text, settings[i]))
			return false;
	return setting_add(
		       text,
		       shared ? "ssl_cert_file=/etc/pgberth/" CONF_CERTIFICATE_NAME
			      : "ssl_cert_file=/etc/pgberth/" CONF_OWN_CERTIFICATE_NAME) &&
	       setting_add(text, shared ? "ssl_key_file=/etc/pgberth/" CONF_KEY_NAME
					: "ssl_key_file=/etc/pgberth/" CONF_OWN_KEY_NAME);
}

/*
 * The engine restarts a killed server by itself. The socket's lock file of the killed
 * server names a pid in the container, which the new server's log collector may have by
 * then: PostgreSQL would take that process for another server, at every try.
 */
static const char start_script[] = "rm -f /pg/run/.s.PGSQL.5432.lock; exec \"$0\" \"$@\"";

bool conf_argv(const char *argv[CONF_ARGV_MAX], struct buf *text,
	       const struct record *record)
{
	if (!word_add(text, "/bin/sh") || !word_add(text, "-c") ||
	    !word_add(text, start_script) || !server_words(text, record->version) ||
	    !word_add(text, "-D") || !word_add(text, "/pg/data") ||
	    !word_add(text, "-c") ||
	    !buf_printf(text, "cluster_name=%s", record->storage_dir) ||
	    !buf_append(text, "", 1) || !settings_add(text))
		return false;
	argv_cut(argv, text);
	return true;
}

/* For each statement of single-user mode, where only a prepared transaction can hold a
 * lock. */
#define REPAIR_TIMEOUT_MS 15000

/*
 * Single-user mode asks for no login, but needs a database: it takes the first of the
 * three that the tenant has not dropped.
 */
static const char repair_script[] =
	"for database in template1 postgres template0; do "
	"\"$0\" --single -D /pg/data -c config_file=/etc/pgberth/postgresql.conf "
	"-c hba_file=/etc/pgberth/pg_hba.conf -c ident_file=/etc/pgberth/pg_ident.conf "
	"-c logging_collector=off \"$@\" $database < /etc/pgberth/" CONF_REPAIR_NAME
	" && exit 0; done; exit 1";

bool conf_repair_argv(const char *argv[CONF_ARGV_MAX], struct buf *text,
		      const struct record *record)
{
	if (!word_add(text, "/bin/sh") || !word_add(text, "-c") ||
	    !word_add(text, repair_script) || !server_words(text, record->version) ||
	    !options_words(text, OPTIONS_SINGLE, record->version, REPAIR_TIMEOUT_MS))
		return false;
	argv_cut(argv, text);
	return true;
}
