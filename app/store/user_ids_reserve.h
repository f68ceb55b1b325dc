/*
 * Writes the lines of subuid(5) and subgid(5) that reserve the servers' user ids, so that
 * useradd(8) gives them to nobody.
 */
#ifndef PGBERTH_STORE_USER_IDS_RESERVE_H
#define PGBERTH_STORE_USER_IDS_RESERVE_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/error.h"

/*
 * Reserves uid_min to uid_max, and the range of version 0.2 where a server below root
 * still has one of its ids. Lines of before get the owner of now. A range of which
 * somebody has a part is left, and told by a line in ret_taken; each line that was added
 * or changed by one in ret_said. May wait for the name service, and some seconds for
 * others who change these files. Runs beside a pgberthd. Main thread.
 */
bool user_ids_reserve(struct buf *ret_said, struct buf *ret_taken, struct error *err);

#endif
