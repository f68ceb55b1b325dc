/* Access without tokens: this machine only, and no web page. */
#include "auth.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "scope.h"

static bool is_loopback_peer(const char *address)
{
	return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

/* "localhost:443" -> "localhost"; a port is digits. */
static bool is_loopback_host(const char *host)
{
	static const char *const hosts[] = { "localhost", "127.0.0.1", "[::1]" };

	for (size_t i = 0; i < COUNT_OF(hosts); i++) {
		size_t length = strlen(hosts[i]);
		const char *rest = host + length;

		if (strncasecmp(host, hosts[i], length) != 0)
			continue;
		if (!*rest || (*rest == ':' && rest[1] &&
			       strspn(rest + 1, "0123456789") == strlen(rest + 1)))
			return true;
	}
	return false;
}

/* A page that the API's own origin had served; there is none today. */
static bool is_own_origin(const char *origin, const char *host)
{
	static const char scheme[] = "https://";

	return strncasecmp(origin, scheme, sizeof(scheme) - 1) == 0 &&
	       strcasecmp(origin + sizeof(scheme) - 1, host) == 0;
}

bool auth_check(const struct request *req, struct error *err)
{
	if (!is_loopback_peer(req->remote_addr))
		return fail(err, ERR_FORBIDDEN,
			    "without a token only this machine itself may call");
	if (!is_loopback_host(req->host))
		return fail(err, ERR_FORBIDDEN,
			    "the Host must be localhost, 127.0.0.1 or [::1]");
	if (*req->origin && !is_own_origin(req->origin, req->host))
		return fail(err, ERR_FORBIDDEN,
			    "calls from pages of another origin are refused");
	if (strcasecmp(req->sec_fetch_site, "cross-site") == 0 ||
	    strcasecmp(req->sec_fetch_site, "same-site") == 0)
		return fail(err, ERR_FORBIDDEN,
			    "calls from pages of another site are refused");
	return true;
}
