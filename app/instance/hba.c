/* pg_hba.conf and the host's certificate are written before a server starts, and replaced
 * while it runs; a server's own certificate is made anew before it starts. */
#include "instance/hba.h"

#include <string.h>

#include "base/deadline.h"
#include "base/kill_point.h"
#include "base/scope.h"
#include "engine/network.h"
#include "model/config.h"
#include "pg/certificate.h"
#include "pg/certificate_host.h"
#include "pg/conf.h"
#include "pg/reload.h"
#include "pg/role_session.h"
#include "store/conf_files.h"

/*
 * Servers see clients on the host, pgberthd among them, with the gateway's address; with
 * the engine's userland proxy, a client that connects to an address of the host other
 * than loopback is seen with that address.
 */
bool hba_clients(const struct record *record, struct networks *ret, struct error *err)
{
	const char *address = config()->publish_address;
	char gateway[INET_ADDRSTRLEN];

	*ret = record->allow;
	if (networks_is_everybody(ret))
		return true;
	if (!engine_network_gateway(gateway, err))
		return false;
	networks_also(ret, gateway);
	if (!config_is_loopback(address) && strcmp(address, "0.0.0.0") != 0)
		networks_also(ret, address);
	return true;
}

/* Writes a file of conf/ if its content differs; *changed becomes true then. */
static bool conf_set(const struct record *record, const char *name, const char *content,
		     bool *changed, struct error *err)
{
	struct conf_file file = { name, content };

	if (store_conf_equals(record, &file))
		return true;
	*changed = true;
	return store_conf_write(record, &file, err);
}

static bool hba_set(const struct record *record, enum hba hba,
		    const struct networks *clients, struct error *err)
{
	AUTO_BUF text = { 0 };
	bool changed;

	if (!conf_hba(&text, hba, clients, record->tls))
		return fail(err, ERR_INTERNAL, "out of memory");
	return conf_set(record, CONF_HBA_NAME, buf_text(&text), &changed, err);
}

static bool hba_is(const struct record *record, enum hba hba,
		   const struct networks *clients)
{
	AUTO_BUF text = { 0 };
	struct conf_file file = { CONF_HBA_NAME, NULL };

	if (!conf_hba(&text, hba, clients, record->tls))
		return false;
	file.content = buf_text(&text);
	return store_conf_equals(record, &file);
}

/* Writes the host's current certificate, if servers use it. */
static bool certificate_set(const struct record *record, bool *changed, struct error *err)
{
	AUTO_BUF key = { 0 };
	AUTO_BUF certificate = { 0 };

	if (!certificate_host_is_set())
		return true;
	if (!certificate_host_read(&key, &certificate))
		return fail(err, ERR_INTERNAL, "out of memory");
	return conf_set(record, CONF_KEY_NAME, buf_text(&key), changed, err) &&
	       conf_set(record, CONF_CERTIFICATE_NAME, buf_text(&certificate), changed,
			err);
}

/* Makes the server's own certificate anew if clients could not verify it. The certificate is
 * written last: until then it is still the old one, and a start that was cut off does it
 * again. */
static bool own_certificate_renew(const struct record *record, struct error *err)
{
	AUTO_BUF old = { 0 };
	AUTO_BUF key = { 0 };
	AUTO_BUF certificate = { 0 };
	struct error ignored;
	bool changed;

	if (store_conf_read(record, CONF_OWN_CERTIFICATE_NAME, &old, &ignored) &&
	    certificate_serves(buf_text(&old)))
		return true;
	return certificate_make(record->storage_dir, &key, &certificate, err) &&
	       conf_set(record, CONF_OWN_KEY_NAME, buf_text(&key), &changed, err) &&
	       conf_set(record, CONF_OWN_CERTIFICATE_NAME, buf_text(&certificate),
			&changed, err);
}

enum pg_outcome hba_probe(const struct record *record, int timeout_ms, struct error *err)
{
	return pg_asks_for_scram(record->port, deadline_in_ms(timeout_ms), err);
}

/* The file is a draft until the server has read it, so that the next look finishes a
 * change that was cut off. */
static enum pg_outcome hba_replace(const struct record *record,
				   const struct networks *clients, struct error *err)
{
	enum pg_outcome outcome;

	if (!hba_set(record, HBA_DRAFT, clients, err))
		return PG_FAILED;
	kill_point("admit.written");
	outcome = reload_admit(record, clients, deadline_in_ms(PROOF_TIMEOUT_MS), err);
	kill_point("admit.read");
	if (outcome == PG_OK && !hba_set(record, HBA_OPEN, clients, err))
		return PG_FAILED;
	return outcome;
}

/* A shut server has no TCP connections that might have to be ended. An open file does not
 * prove that the server has read it (a call may have been cut off), so the server is
 * asked. */
enum pg_outcome hba_open(const struct record *record, struct error *err)
{
	struct networks clients;
	bool renewed = false, is_shut;
	struct error ignored;

	if (!hba_clients(record, &clients, err) ||
	    !certificate_set(record, &renewed, err))
		return PG_FAILED;
	is_shut = hba_is(record, HBA_SOCKET_ONLY, &clients);
	if (!is_shut && (renewed || !hba_is(record, HBA_OPEN, &clients)))
		return hba_replace(record, &clients, err);
	if (is_shut && !hba_set(record, HBA_OPEN, &clients, err))
		return PG_FAILED;
	kill_point("prove.written");
	if (!is_shut && pg_is_well(hba_probe(record, HBA_PROBE_MS, &ignored)))
		return PG_OK;
	return reload_run(record, deadline_in_ms(PROOF_TIMEOUT_MS), err);
}

bool hba_change(const struct record *record, bool runs, struct error *err)
{
	struct networks clients;

	if (runs)
		return hba_open(record, err) == PG_OK ||
		       fail_because(err,
				    "the clients that may connect stay as they were");
	return hba_clients(record, &clients, err) &&
	       hba_set(record, HBA_DRAFT, &clients, err);
}

bool hba_prepare(const struct record *record, bool is_shut, struct error *err)
{
	struct networks clients;
	bool changed;

	if (!certificate_host_is_set()) {
		store_conf_remove(record, CONF_KEY_NAME);
		store_conf_remove(record, CONF_CERTIFICATE_NAME);
	}
	return own_certificate_renew(record, err) &&
	       certificate_set(record, &changed, err) &&
	       hba_clients(record, &clients, err) &&
	       hba_set(record, is_shut ? HBA_SOCKET_ONLY : HBA_OPEN, &clients, err);
}
