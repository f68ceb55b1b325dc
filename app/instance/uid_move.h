/* A server whose uid is outside of the configured range gets another at a start of its
 * own. For instance/ only; callers hold the instance's lock. */
#ifndef PGBERTH_INSTANCE_UID_MOVE_H
#define PGBERTH_INSTANCE_UID_MOVE_H

#include <stdbool.h>

#include "base/error.h"
#include "instance/attempt.h"

/*
 * Changes its uid and the owner of its files, or finishes that. No process of it runs, its
 * disk is mounted. A server whose files cannot be given away keeps its uid, which its note
 * says. A failure amid the change leaves what the next call finishes.
 */
bool uid_move(struct attempt *attempt, struct error *err);

#endif
