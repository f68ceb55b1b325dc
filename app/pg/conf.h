/*
 * What pgberth says to a server: its configuration files in conf/ and its command
 * line, which no ALTER SYSTEM replaces. Pure but for the certificate.
 */
#ifndef PGBERTH_PG_CONF_H
#define PGBERTH_PG_CONF_H

#include <stdbool.h>

#include "base/buf.h"
#include "model/config.h"
#include "model/record.h"
#include "store/conf_files.h"

#define CONF_FILES 7

/* The files of one instance; content is owned. */
struct conf {
	struct buf text[CONF_FILES];
	struct conf_file files[CONF_FILES + 1]; /* ends with a row without a name */
};

/*
 * Which clients pg_hba.conf lets in. A draft means the same as an open one, and says
 * that the server may not have read it yet.
 */
enum hba { HBA_OPEN, HBA_DRAFT, HBA_SOCKET_ONLY };

/* All files of a new instance, its key and certificate among them; clients: who may
 * connect by TCP. */
bool conf_make(struct conf *ret, const struct config *cfg, const struct record *record,
	       const struct networks *clients, struct error *err);
void conf_done(struct conf *conf);

#define AUTO_CONF __attribute__((cleanup(conf_done))) struct conf

/* One file's content. postgresql.conf depends on the memory limit. */
bool conf_server(struct buf *ret, const struct record *record);
bool conf_hba(struct buf *ret, enum hba hba, const struct networks *clients,
	      enum tls tls);
bool conf_passwd(struct buf *ret, const struct record *record);

#define CONF_SERVER_NAME "postgresql.conf"
#define CONF_HBA_NAME "pg_hba.conf"
#define CONF_KEY_NAME "host.key"
#define CONF_CERTIFICATE_NAME "host.crt"
#define CONF_REPAIR_NAME "repair.sql"
#define CONF_PASSWD_NAME "passwd"

#define CONF_ARGV_MAX 64

/* The server's command line; strings live in `text`, at least as long as argv is used. */
bool conf_argv(const char *argv[CONF_ARGV_MAX], struct buf *text,
	       const struct record *record);

/* That of a shell which feeds repair.sql to a single-user server. */
bool conf_repair_argv(const char *argv[CONF_ARGV_MAX], struct buf *text,
		      const struct record *record);

#endif
