/*
 * Texts that configure a server: its files in conf/ and its command line, which ALTER
 * SYSTEM cannot override. Pure but for the certificate.
 */
#ifndef PGBERTH_PG_CONF_H
#define PGBERTH_PG_CONF_H

#include <stdbool.h>

#include "base/buf.h"
#include "model/record.h"
#include "store/conf_files.h"

#define CONF_FILES 7

/* Files of one instance, which own their texts. */
struct conf {
	struct buf text[CONF_FILES];
	struct conf_file files[CONF_FILES + 1]; /* a row without a name ends the list */
};

/*
 * Clients that pg_hba.conf admits. A draft admits the same as an open one, and a line in
 * it says that the server may not have read it yet.
 */
enum hba { HBA_OPEN, HBA_DRAFT, HBA_SOCKET_ONLY };

/* Makes all files of a new instance, with key and certificate; clients may connect by
 * TCP. */
bool conf_make(struct conf *ret, const struct record *record,
	       const struct networks *clients, struct error *err);
void conf_done(struct conf *conf);

#define AUTO_CONF __attribute__((cleanup(conf_done))) struct conf

/* Append the content of postgresql.conf (from the record's limits), pg_hba.conf, passwd. */
bool conf_server(struct buf *ret, const struct record *record);
bool conf_hba(struct buf *ret, enum hba hba, const struct networks *clients,
	      enum tls tls);
bool conf_passwd(struct buf *ret, const struct record *record);

#define CONF_SERVER_NAME "postgresql.conf"
#define CONF_HBA_NAME "pg_hba.conf"
#define CONF_OWN_KEY_NAME "server.key"
#define CONF_OWN_CERTIFICATE_NAME "server.crt"
#define CONF_KEY_NAME "host.key"
#define CONF_CERTIFICATE_NAME "host.crt"
#define CONF_REPAIR_NAME "repair.sql"
#define CONF_PASSWD_NAME "passwd"

#define CONF_ARGV_MAX 128

/* The server's command line; its strings live in `text`, which must outlive argv. */
bool conf_argv(const char *argv[CONF_ARGV_MAX], struct buf *text,
	       const struct record *record);

/* The command line of a shell that feeds repair.sql to a server in single-user mode. */
bool conf_repair_argv(const char *argv[CONF_ARGV_MAX], struct buf *text,
		      const struct record *record);

#endif
