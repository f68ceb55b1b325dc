/*
 * What pgberth says to a server: its configuration files in conf/ and its command
 * line, which no ALTER SYSTEM replaces. Pure but for the certificate.
 */
#ifndef PGBERTH_CONF_H
#define PGBERTH_CONF_H

#include <stdbool.h>

#include "buf.h"
#include "config.h"
#include "record.h"
#include "store.h"

#define CONF_FILES 5

/* The files of one instance; content is owned. */
struct conf {
	struct buf text[CONF_FILES];
	struct conf_file files[CONF_FILES + 1]; /* ends with a row without a name */
};

/* Which clients pg_hba.conf lets in. */
enum hba { HBA_OPEN, HBA_SOCKET_ONLY };

/* All files of a new instance, its key and certificate among them. */
bool conf_make(struct conf *ret, const struct config *cfg, const struct record *record,
	       struct error *err);
void conf_done(struct conf *conf);

#define AUTO_CONF __attribute__((cleanup(conf_done))) struct conf

/* One file's content. postgresql.conf depends on the memory limit. */
bool conf_server(struct buf *ret, const struct record *record);
struct conf_file conf_hba(enum hba hba);
bool conf_passwd(struct buf *ret, const struct record *record);

#define CONF_SERVER_NAME "postgresql.conf"
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
