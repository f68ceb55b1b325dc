/*
 * Who holds which port of the configured range: claims in memory, made again from the
 * records at start. A claim is one instance's, from before its server starts until it
 * gives the port up. Any thread.
 */
#ifndef PGBERTH_INSTANCE_PORTS_H
#define PGBERTH_INSTANCE_PORTS_H

#include <stdbool.h>

#include "base/error.h"
#include "model/config.h"
#include "model/record.h"

/* Main thread, once. */
bool ports_init(const struct config *cfg, struct error *err);

/*
 * Claims a port for name. False when another instance has it, whose name is then in
 * ret_holder. Claiming what one has is fine.
 */
bool ports_claim(int port, const char *name, char ret_holder[NAME_SIZE]);

/* Hands a claim over; false when `from` does not have it (any more). */
bool ports_transfer(int port, const char *from, const char *to);

/* Gives up a claim; not having it is fine. */
void ports_release(int port, const char *name);

/*
 * Claims a port that no instance has and nobody listens on, from a random place on.
 * False when there is none.
 */
bool ports_claim_any(const char *name, int *ret_port);

/* True when no process of the host listens there, as far as bind(2) tells. */
bool ports_is_bindable(int port);

#endif
