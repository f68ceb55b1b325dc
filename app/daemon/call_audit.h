/* Tells the log of a call that changes servers, or was refused to (base/audit.h). */
#ifndef PGBERTH_DAEMON_CALL_AUDIT_H
#define PGBERTH_DAEMON_CALL_AUDIT_H

#include "daemon/call.h"

/* The call begins to change that server, or those that it names itself (NULL): the next
 * start tells of that, should the call be cut off. */
void call_audit_begin(struct call *call, const char *name);

/* One server of many that a call changes; err NULL: it was done. */
void call_audit_one(struct call *call, const char *name, const struct error *err);

/* The call as a whole, unless its servers were told of one by one. */
void call_audit(struct call *call, const struct error *err);

#endif
