/* A key and a self-signed certificate for one server, so that no two tenants share one. */
#ifndef PGBERTH_PG_CERTIFICATE_H
#define PGBERTH_PG_CERTIFICATE_H

#include "base/buf.h"
#include "base/error.h"

/* Appends PEM texts: an EC key on P-256 and a certificate for it, valid for ten years
 * from yesterday, whose subject is CN=common_name. Its names are localhost, loopback
 * addresses, publish_address and the host's name. It is no CA's: clients trust it as it
 * is. Any thread. */
bool certificate_make(const char *common_name, struct buf *ret_key,
		      struct buf *ret_certificate, struct error *err);

/* True if clients can verify that certificate, a PEM text, at publish_address, today and
 * for a month. Any thread. */
bool certificate_serves(const char *text);

/* Appends the certificates of a text, in PEM, and nothing that stands beside them, such as
 * a key. False when it has none, or one that cannot be read. Any thread. */
bool certificates_of(const char *text, struct buf *ret);

/* For OpenSSL's readers of PEM: a passphrase cannot be asked for. */
int certificate_no_passphrase(char *text, int size, int writing, void *user);

#endif
