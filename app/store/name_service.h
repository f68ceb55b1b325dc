/* Users and groups that the name service (nsswitch.conf(5)) knows, which may be a
 * directory such as LDAP: each question may wait for it. Any thread. */
#ifndef PGBERTH_STORE_NAME_SERVICE_H
#define PGBERTH_STORE_NAME_SERVICE_H

#include <stdbool.h>

/* True when a user or a group has that id. */
bool name_service_knows_id(int id);

/* True when a user has that name. */
bool name_service_knows_user(const char *name);

#endif
