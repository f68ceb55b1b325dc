/* A claim is made in the table first, then checked by bind(2), so that no two get one
 * port. */
#include "instance/port_claim.h"

#include <stdio.h>
#include <string.h>

#include "base/audit_begun.h"
#include "base/log.h"
#include "base/mention.h"
#include "instance/by_hand.h"
#include "instance/index.h"
#include "instance/owner.h"
#include "instance/ports.h"
#include "model/caller.h"
#include "model/config.h"
#include "model/locks.h"
#include "store/record_file.h"

#define HOLDER_WAIT_MS 5000

/* Only to a server of the same owner, and only if the caller may know of the holder. */
static bool may_yield_to(const struct record *holder, const struct record *record)
{
	return owner_is_same(holder, record) && caller_is_shown(holder->storage_dir);
}

/* The engine is asked, not the index: the holder may have been killed a moment ago. */
static bool holder_yields(const char *holder, int port, const struct record *record)
{
	struct error ignored;
	AUTO_LOCK *lock = lock_get(holder, HOLDER_WAIT_MS, &ignored);
	AUTO_VIEW view = { 0 };

	if (!lock || !index_get(holder, &view) || view.record.port != port ||
	    !may_yield_to(&view.record, record))
		return false;
	if (!by_hand_notice(&view, &ignored))
		return false;
	return view.record.outside_since_ms != 0;
}

/* Checks that no process listens at a port that the table has under this name already. */
static bool claim_check(struct port_claim *claim, const char *name, struct error *err)
{
	if (ports_is_bindable(claim->port))
		return true;
	port_claim_undo(claim, name);
	return fail_at(err, ERR_PORT_IN_USE, "port",
		       "port %d is held by a process of the host or another container",
		       claim->port);
}

static bool claim_given(struct port_claim *claim, const struct record *record,
			struct error *err)
{
	const char *name = record->storage_dir;
	char holder[NAME_SIZE];

	if (ports_claim(claim->port, name, holder))
		return claim_check(claim, name, err);
	if (!holder_yields(holder, claim->port, record) ||
	    !ports_transfer(claim->port, holder, name))
		return fail_at(err, ERR_PORT_IN_USE, "port",
			       "port %d is held by " MENTION, claim->port, holder);
	memcpy(claim->displaced, holder, sizeof(holder));
	return claim_check(claim, name, err);
}

/* The port that has been yieldable longest. */
struct oldest {
	const struct record *record; /* its owner must hold the port */
	long long since_ms;
	int port;
};

static bool oldest_find(const struct view *view, void *user)
{
	const struct record *record = &view->record;
	struct oldest *oldest = user;

	if (!record->port || !record->outside_since_ms ||
	    !may_yield_to(record, oldest->record))
		return true;
	if (oldest->port && record->outside_since_ms >= oldest->since_ms)
		return true;
	oldest->since_ms = record->outside_since_ms;
	oldest->port = record->port;
	return true;
}

static bool claim_any(struct port_claim *claim, const struct record *record,
		      struct error *err)
{
	struct oldest oldest = { .record = record };

	claim->is_any = true;
	if (ports_claim_any(record->storage_dir, &claim->port))
		return true;
	index_walk("", oldest_find, &oldest);
	claim->port = oldest.port;
	if (claim->port && claim_given(claim, record, err))
		return true;
	return fail(err, ERR_NO_FREE_PORT, "no port from %d to %d is free",
		    config()->port_min, config()->port_max);
}

bool port_claim_get(struct port_claim *ret, struct record *record, int had,
		    struct error *err)
{
	struct port_claim claim = { .port = record->port };
	char holder[NAME_SIZE];
	bool ok;

	/* A port that another instance took over in the meantime counts as never had. */
	if (record->port && record->port == had &&
	    ports_claim(had, record->storage_dir, holder)) {
		*ret = claim;
		return true;
	}
	claim.is_new = true;
	ok = record->port ? claim_given(&claim, record, err)
			  : claim_any(&claim, record, err);
	if (!ok)
		return false;
	record->port = claim.port;
	*ret = claim;
	return true;
}

void port_claim_keep(const struct port_claim *claim, const char *name)
{
	struct error err;
	AUTO_LOCK *lock = NULL;
	AUTO_VIEW view = { 0 };
	AUTO_BEGUN int begun = 0;

	if (!claim->displaced[0])
		return;
	lock = lock_get(claim->displaced, HOLDER_WAIT_MS, &err);
	if (!lock || !index_get(claim->displaced, &view) ||
	    view.record.port != claim->port)
		return;
	begun = audit_begin_own("yield", claim->displaced, "port");
	view.record.port = 0;
	snprintf(view.record.reason, sizeof(view.record.reason),
		 "stopped outside pgberth; its port %d was then given to " MENTION,
		 claim->port, name);
	if (!store_save(&view.record, &err))
		log_error("record not saved name=%s error=%s", claim->displaced,
			  LOG_TEXT(err.message));
	index_put(&view);
	audit_own("yield", claim->displaced, "port");
}

void port_claim_undo(const struct port_claim *claim, const char *name)
{
	if (!claim->is_new)
		return;
	if (claim->displaced[0])
		ports_transfer(claim->port, name, claim->displaced);
	else
		ports_release(claim->port, name);
}
