/*
 * The owner of a server is the token that it was made with, by the token's id: a later
 * token of the same name is another owner. Pure but for owner_take(); any thread.
 */
#ifndef PGBERTH_INSTANCE_OWNER_H
#define PGBERTH_INSTANCE_OWNER_H

#include "model/record.h"
#include "model/token.h"

/* Makes the caller whom this thread serves the owner. */
void owner_take(struct record *record);

void owner_clear(struct record *record);

bool owner_is_same(const struct record *one, const struct record *other);

/* Moves a record that only names its owner forward: to the token of that name if it is
 * older than the server, else to nobody. */
void owner_settle(struct record *record, const struct tokens *tokens);

#endif
