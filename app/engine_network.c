/* The bridge that the servers sit on: made once, and never one with a hole in it. */
#include "engine_network.h"

#include <jansson.h>
#include <stdatomic.h>
#include <string.h>

#include "engine_parts.h"
#include "log.h"
#include "scope.h"

#define OPTION_NAME "com.docker.network.bridge.name"
#define OPTION_ICC "com.docker.network.bridge.enable_icc"

static const struct config *config;
static atomic_bool is_sound;

void engine_network_init(const struct config *cfg)
{
	config = cfg;
}

/* The firewall is told the bridge by its name, which is the network's own. */
static bool network_make(struct error *err)
{
	json_auto_t *body =
		json_pack("{s:s s:s s:b s:b s:{s:s s:s} s:{s:s}}", "Name",
			  config->network, "Driver", "bridge", "CheckDuplicate", 1,
			  "EnableIPv6", 0, "Options", OPTION_NAME, config->network,
			  OPTION_ICC, "false", "Labels", "pgberth.root", config->root);
	json_auto_t *json = NULL;
	int status;

	if (!engine_call("POST", SLOW_MS, body, &status, &json, err, "/networks/create"))
		return false;
	if (status != 201 && status != 409)
		return engine_refused(err, "make the tenants' network", status, json);
	log_info("network made name=%s", config->network);
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
	    is_text(options, OPTION_NAME, config->network) &&
	    is_text(options, OPTION_ICC, "false") &&
	    !json_is_true(json_object_get(json, "EnableIPv6")))
		return true;
	return fail(err, ERR_ENGINE,
		    "the network %s is not as pgberth makes it (a bridge of that name, "
		    "without IPv6, " OPTION_ICC
		    " false): remove it, or configure another",
		    config->network);
}

static bool network_look(struct error *err)
{
	json_auto_t *json = NULL;
	int status;

	if (!engine_call("GET", QUICK_MS, NULL, &status, &json, err, "/networks/%s",
			 config->network))
		return false;
	if (status == 404)
		return network_make(err);
	if (status != 200)
		return engine_refused(err, "show the tenants' network", status, json);
	return strcmp(config->network, NETWORK_DEFAULT) == 0 || network_check(json, err);
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
