/*
 * The range of user ids that servers get: that nobody else on this host has it, and that
 * nobody gets it. Ranges of a name service (`subid:` in nsswitch.conf(5)) are not looked
 * at.
 */
#ifndef PGBERTH_STORE_USER_IDS_H
#define PGBERTH_STORE_USER_IDS_H

#include <stdbool.h>

#include "base/error.h"
#include "store/user_id_claims.h"

/*
 * Checks that the configured range is nobody else's. Warns of lines that nobody can read,
 * and of ranges that other programs use. May wait for the name service. Main thread, at
 * start. Errors: ERR_INVALID naming file, line and owner.
 */
bool user_ids_check(struct error *err);

/* Warns where the range is not reserved. Main thread, at start. */
void user_ids_reservation_look(void);

/* The file whose reservation was there, and is no longer; NULL: none. Any thread. */
const char *user_ids_reservation_lost(const struct user_id_claims *claims);

#endif
