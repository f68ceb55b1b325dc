/* The tenants' network and its bridge: made before a server starts, and refused if
 * servers could reach each other on it. */
#ifndef PGBERTH_ENGINE_NETWORK_H
#define PGBERTH_ENGINE_NETWORK_H

#include <arpa/inet.h>

#include "base/error.h"

/* The engine's default network, which containers without another one are on. */
#define NETWORK_DEFAULT "bridge"

/*
 * Makes a missing network, and refuses one that differs from pgberth's: its maker may
 * have let containers reach each other, and the firewall knows it by its bridge's name.
 * The default network is accepted as it is. Errors: ERR_ENGINE. Any thread.
 */
bool engine_network_ensure(struct error *err);

/* The same, unless the network was found sound since the last connection to the
 * engine. */
bool engine_network_require(struct error *err);

/*
 * The host's own address on the bridge, which servers see for clients on the host, as of
 * the last look at the network. Errors: ERR_ENGINE.
 */
bool engine_network_gateway(char ret[INET_ADDRSTRLEN], struct error *err);

#endif
