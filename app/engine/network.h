/* The bridge that the servers are on: there, and without a hole in it, before one
 * starts. */
#ifndef PGBERTH_ENGINE_NETWORK_H
#define PGBERTH_ENGINE_NETWORK_H

#include <arpa/inet.h>

#include "base/error.h"
#include "model/config.h"

/* The engine's own network, which every container is on that was told of no other. */
#define NETWORK_DEFAULT "bridge"

/* Main thread, once; cfg is borrowed for ever. */
void engine_network_init(const struct config *cfg);

/*
 * Makes the network where it is missing, and refuses one that is not as pgberth makes
 * it: whoever made it may have let its containers reach each other, and the firewall
 * knows it by its bridge's name. The default one is taken as it is. ERR_ENGINE. Any
 * thread.
 */
bool engine_network_ensure(struct error *err);

/* The same, if it has not been found well since the engine was last connected to. */
bool engine_network_require(struct error *err);

/*
 * The address that the host itself has on that bridge: clients on the host are seen as
 * it by the servers. As it was when the network was last looked at. ERR_ENGINE.
 */
bool engine_network_gateway(char ret[INET_ADDRSTRLEN], struct error *err);

#endif
