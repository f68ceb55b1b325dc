/*
 * Claims of instances on ports of the configured range: in memory, made from the records
 * at start. An instance has its claim from before its server starts until it gives the
 * port up. Any thread.
 */
#ifndef PGBERTH_INSTANCE_PORTS_H
#define PGBERTH_INSTANCE_PORTS_H

#include <stdbool.h>

#include "base/error.h"
#include "model/record.h"

/* Main thread, once. */
bool ports_init(struct error *err);

/*
 * Claims a port for name. False when another instance has it, whose name goes to
 * ret_holder. Claiming a port that name has already is fine.
 */
bool ports_claim(int port, const char *name, char ret_holder[NAME_SIZE]);

/* Hands a claim over; false when `from` does not have it. */
bool ports_transfer(int port, const char *from, const char *to);

/* Gives up a claim; nothing happens if name does not have it. */
void ports_release(int port, const char *name);

/*
 * Claims a port that no instance has and no process listens on, searching from a random
 * place on. False when no port is free.
 */
bool ports_claim_any(const char *name, int *ret_port);

/* True when no process of the host listens there, as far as bind(2) tells. */
bool ports_is_bindable(int port);

#endif
