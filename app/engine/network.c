/* The network is made by one thread, and checked again whenever the engine was away. */
#include "engine/network.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/scope.h"
#include "engine/call.h"
#include "model/config.h"

#define OPTION_NAME "com.docker.network.bridge.name"
#define OPTION_ICC "com.docker.network.bridge.enable_icc"

static atomic_bool is_sound;

static struct {
	pthread_mutex_t lock;
	char address[INET_ADDRSTRLEN]; /* guarded by lock; "": unknown */
} gateway = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* The bridge has the network's name, by which the firewall knows it. */
static bool network_make(struct error *err)
{
	json_auto_t *body =
		json_pack("{s:s s:s s:b s:b s:{s:s s:s} s:{s:s}}", "Name",
			  config()->network, "Driver", "bridge", "CheckDuplicate", 1,
			  "EnableIPv6", 0, "Options", OPTION_NAME, config()->network,
			  OPTION_ICC, "false", "Labels", "pgberth.root", config()->root);
	json_auto_t *json = NULL;
	int status;

	if (!engine_call("POST", SLOW_MS, body, &status, &json, err, "/networks/create"))
		return false;
	if (status != 201 && status != 409)
		return engine_refused(err, "make the tenants' network", status, json);
	log_info("network made name=%s", config()->network);
	return true;
}

static bool is_text(const json_t *object, const char *key, const char *text)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value && strcmp(value, text) == 0;
}

static bool network_check(const json_t *json, struct error *err)
{
	const json_t *options = json_object_get(json, "Options");

	if (is_text(json, "Driver", "bridge") &&
	    is_text(options, OPTION_NAME, config()->network) &&
	    is_text(options, OPTION_ICC, "false") &&
	    !json_is_true(json_object_get(json, "EnableIPv6")))
		return true;
	return fail(
		err, ERR_ENGINE,
		"the network %s differs from what pgberth makes (a bridge of that name, "
		"without IPv6, " OPTION_ICC " false): remove it, or configure another",
		config()->network);
}

/* Without a configured gateway the engine takes the first address of the subnet, and does
 * not always report it: it leaves out the default network's until it restarts. */
static bool gateway_read(const json_t *network, char ret[INET_ADDRSTRLEN])
{
	const json_t *first = json_array_get(
		json_object_get(json_object_get(network, "IPAM"), "Config"), 0);
	const char *said = json_string_value(json_object_get(first, "Gateway"));
	const char *subnet = json_string_value(json_object_get(first, "Subnet"));
	struct in_addr address;

	if (said) {
		snprintf(ret, INET_ADDRSTRLEN, "%.*s", (int)strcspn(said, "/"), said);
		return inet_pton(AF_INET, ret, &address) == 1;
	}
	if (!subnet)
		return false;
	snprintf(ret, INET_ADDRSTRLEN, "%.*s", (int)strcspn(subnet, "/"), subnet);
	if (inet_pton(AF_INET, ret, &address) != 1)
		return false;
	address.s_addr = htonl(ntohl(address.s_addr) + 1);
	return inet_ntop(AF_INET, &address, ret, INET_ADDRSTRLEN) != NULL;
}

static void gateway_keep(const json_t *network)
{
	char address[INET_ADDRSTRLEN];

	if (!gateway_read(network, address))
		address[0] = '\0';
	pthread_mutex_lock(&gateway.lock);
	memcpy(gateway.address, address, sizeof(address));
	pthread_mutex_unlock(&gateway.lock);
}

/* A missing network is a 404 without JSON. */
static bool network_get(int *ret_status, json_t **ret_json, struct error *err)
{
	if (!engine_call("GET", QUICK_MS, NULL, ret_status, ret_json, err, "/networks/%s",
			 config()->network))
		return false;
	if (*ret_status == 404) {
		json_decref(*ret_json);
		*ret_json = NULL;
	}
	return true;
}

/* Another thread may have made the network since this one saw that it was missing. */
static bool network_make_once(int *ret_status, json_t **ret_json, struct error *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	bool ok;

	pthread_mutex_lock(&lock);
	ok = network_get(ret_status, ret_json, err);
	if (ok && *ret_status == 404)
		ok = network_make(err) && network_get(ret_status, ret_json, err);
	pthread_mutex_unlock(&lock);
	return ok;
}

static bool network_get_or_make(int *ret_status, json_t **ret_json, struct error *err)
{
	return network_get(ret_status, ret_json, err) &&
	       (*ret_status != 404 || network_make_once(ret_status, ret_json, err));
}

static bool network_look(struct error *err)
{
	json_auto_t *json = NULL;
	int status;

	if (!network_get_or_make(&status, &json, err))
		return false;
	if (status != 200)
		return engine_refused(err, "show the tenants' network", status, json);
	gateway_keep(json);
	return strcmp(config()->network, NETWORK_DEFAULT) == 0 ||
	       network_check(json, err);
}

bool engine_network_ensure(struct error *err)
{
	bool ok = network_look(err);

	atomic_store(&is_sound, ok);
	return ok;
}

bool engine_network_require(struct error *err)
{
	return atomic_load(&is_sound) || engine_network_ensure(err);
}

static bool gateway_get(char ret[INET_ADDRSTRLEN])
{
	pthread_mutex_lock(&gateway.lock);
	memcpy(ret, gateway.address, sizeof(gateway.address));
	pthread_mutex_unlock(&gateway.lock);
	return *ret != '\0';
}

bool engine_network_gateway(char ret[INET_ADDRSTRLEN], struct error *err)
{
	struct error why;

	if (gateway_get(ret))
		return true;
	/* A network that is refused has a gateway all the same. */
	if (!engine_network_ensure(&why) && !gateway_get(ret)) {
		*err = why;
		return false;
	}
	return gateway_get(ret) ||
	       fail(err, ERR_ENGINE,
		    "the engine does not report the gateway of network %s",
		    config()->network);
}
