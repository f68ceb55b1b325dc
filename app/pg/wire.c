/* Non-blocking sockets, polled until the deadline; TLS by OpenSSL on top of them. */
#include "pg/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/deadline.h"
#include "base/scope.h"
#include "store/server_files.h"

#define SSL_REQUEST 80877103

static SSL_CTX *context; /* constant after start */

/* The certificate is not verified, since it is the server's own: SCRAM, bound to it,
 * proves the server. */
bool pg_wire_init(struct error *err)
{
	context = SSL_CTX_new(TLS_client_method());
	if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION))
		return fail(err, ERR_INTERNAL, "cannot prepare TLS");
	SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
					  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	return true;
}

static enum pg_outcome failed(struct error *err, const char *why)
{
	fail(err, ERR_SERVER, "the server %s", why);
	return PG_FAILED;
}

/* The peer is gone or was never there, as when a server starts or restarts. */
static enum pg_outcome gone(struct error *err)
{
	fail(err, ERR_STARTING, "the server does not admit pgberth: %s",
	     errno ? strerrordesc_np(errno) : "it closed the connection");
	return PG_NOT_YET;
}

static enum pg_outcome lacking(struct error *err, const char *what)
{
	fail(err, ERR_INTERNAL, "cannot make %s", what);
	return PG_FAILED;
}

/* Waits until the socket is ready. A deadline that has passed counts even if the server
 * never stops sending. */
static enum pg_outcome wire_wait(const struct pg_wire *wire, short events,
				 struct error *err)
{
	struct pollfd ready = { .fd = wire->fd, .events = events };
	int count = 0;

	while (!deadline_passed(wire->deadline_ms)) {
		count = poll(&ready, 1, deadline_left_ms(wire->deadline_ms));
		if (count > 0)
			return PG_OK;
		if (count < 0 && errno != EINTR)
			break;
	}
	return failed(err, "does not answer in time");
}

static enum pg_outcome wire_connect(struct pg_wire *wire, const struct sockaddr *to,
				    socklen_t size, struct error *err)
{
	enum pg_outcome outcome;
	int problem = 0;
	socklen_t problem_size = sizeof(problem);

	wire->fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (wire->fd < 0)
		return lacking(err, "a socket");
	if (connect(wire->fd, to, size) == 0)
		return PG_OK;
	if (errno != EINPROGRESS)
		return gone(err);
	outcome = wire_wait(wire, POLLOUT, err);
	if (outcome != PG_OK)
		return outcome;
	if (getsockopt(wire->fd, SOL_SOCKET, SO_ERROR, &problem, &problem_size) == 0 &&
	    !problem)
		return PG_OK;
	errno = problem;
	return gone(err);
}

static enum pg_outcome peer_check(const struct pg_wire *wire, int uid, struct error *err)
{
	struct ucred peer = { .uid = (uid_t)-1 };
	socklen_t size = sizeof(peer);

	if (getsockopt(wire->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
	    peer.uid == (uid_t)uid)
		return PG_OK;
	fail(err, ERR_SERVER, "a process of another user answers on the socket");
	return PG_FAILED;
}

enum pg_outcome pg_wire_to_socket(struct pg_wire *ret, int run_dir, int uid,
				  long long deadline_ms, struct error *err)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	AUTO_CLOSE int place = store_open_socket(run_dir);
	enum pg_outcome outcome;

	*ret = (struct pg_wire){ .fd = -1,
				 .is_to_socket = true,
				 .deadline_ms = deadline_ms };
	if (place < 0 && (errno == ELOOP || errno == ENOTSOCK))
		return failed(err, "has something else where its socket should be");
	if (place < 0)
		return gone(err);
	snprintf(to.sun_path, sizeof(to.sun_path), "/proc/self/fd/%d", place);
	outcome = wire_connect(ret, (struct sockaddr *)&to, sizeof(to), err);
	return outcome == PG_OK ? peer_check(ret, uid, err) : outcome;
}

/* The event to wait for after an OpenSSL call returned rc; 0: the call has failed. */
static short tls_wants(const struct pg_wire *wire, int rc)
{
	int reason = SSL_get_error(wire->tls, rc);

	if (reason == SSL_ERROR_WANT_READ)
		return POLLIN;
	return reason == SSL_ERROR_WANT_WRITE ? POLLOUT : 0;
}

/* PG_OK unless tls_may_read() has ended the connection. */
static enum pg_outcome tls_check(const struct pg_wire *wire, struct error *err)
{
	if (wire->tls && deadline_passed(wire->deadline_ms))
		return failed(err, "does not answer in time");
	if (wire->tls && wire->reads > WIRE_READS_MAX)
		return failed(err, "sends more data than it may");
	return PG_OK;
}

/* Sends or receives some bytes, *ret_count of them. The end of the stream is
 * PG_NOT_YET. */
static enum pg_outcome wire_move(struct pg_wire *wire, bool out, void *data,
				 size_t length, size_t *ret_count, struct error *err)
{
	for (;;) {
		enum pg_outcome outcome;
		short wants = out ? POLLOUT : POLLIN;
		ssize_t rc;

		if (deadline_passed(wire->deadline_ms))
			return failed(err, "does not answer in time");
		ERR_clear_error();
		errno = 0;
		if (wire->tls)
			rc = out ? SSL_write(wire->tls, data, (int)length)
				 : SSL_read(wire->tls, data, (int)length);
		else
			rc = out ? send(wire->fd, data, length, MSG_NOSIGNAL)
				 : recv(wire->fd, data, length, 0);
		if (rc > 0) {
			*ret_count = (size_t)rc;
			return PG_OK;
		}
		if (wire->tls)
			wants = tls_wants(wire, (int)rc);
		if (tls_check(wire, err) != PG_OK)
			return PG_FAILED;
		if (!wire->tls && (rc == 0 || (errno != EAGAIN && errno != EINTR)))
			wants = 0;
		if (!wants)
			return gone(err);
		outcome = wire_wait(wire, wants, err);
		if (outcome != PG_OK)
			return outcome;
	}
}

enum pg_outcome pg_wire_send(struct pg_wire *wire, const struct buf *bytes,
			     struct error *err)
{
	size_t sent = 0, count;

	while (sent < bytes->length) {
		enum pg_outcome outcome = wire_move(wire, true, bytes->data + sent,
						    bytes->length - sent, &count, err);

		if (outcome != PG_OK)
			return outcome;
		sent += count;
	}
	return PG_OK;
}

enum pg_outcome pg_wire_read(struct pg_wire *wire, void *data, size_t length,
			     struct error *err)
{
	size_t have = 0, count;

	wire->heard += length;
	if (wire->heard > WIRE_TOTAL_MAX)
		return failed(err, "sends more data than it may");
	while (have < length) {
		enum pg_outcome outcome = wire_move(wire, false, (char *)data + have,
						    length - have, &count, err);

		if (outcome != PG_OK)
			return outcome;
		have += count;
	}
	return PG_OK;
}

/*
 * OpenSSL reads records without data (HelloRequest, KeyUpdate, tickets) within one call
 * as long as the server sends them, so the number of reads is limited here.
 */
static long tls_may_read(BIO *bio, int operation, const char *data, size_t length, int i,
			 long l, int rc, size_t *processed)
{
	struct pg_wire *wire = (struct pg_wire *)BIO_get_callback_arg(bio);

	(void)data, (void)length, (void)i, (void)l, (void)processed;
	if (operation != BIO_CB_READ)
		return rc;
	BIO_clear_retry_flags(bio);
	return ++wire->reads > WIRE_READS_MAX || deadline_passed(wire->deadline_ms) ? -1
										    : rc;
}

/*
 * A handshake that either side refuses by the book: the peer by an alert, which OpenSSL
 * reports as its number and an offset, or we, for what the peer chose. All else is no TLS.
 */
static enum pg_outcome tls_refused(unsigned long error, struct error *err)
{
	static const int ours[] = { SSL_R_UNSUPPORTED_PROTOCOL, SSL_R_DH_KEY_TOO_SMALL,
				    SSL_R_EE_KEY_TOO_SMALL, SSL_R_WRONG_CURVE,
				    SSL_R_WRONG_SIGNATURE_TYPE };
	int reason = ERR_GET_REASON(error);
	bool is_refusal = reason > SSL_AD_REASON_OFFSET &&
			  reason <= SSL_AD_REASON_OFFSET + UCHAR_MAX;

	for (size_t i = 0; i < COUNT_OF(ours); i++)
		is_refusal = is_refusal || reason == ours[i];
	if (!is_refusal)
		return failed(err, "breaks the protocol of TLS");
	fail(err, ERR_SERVER,
	     "its settings of TLS leave nothing that usual clients speak (%s); reset its "
	     "ssl_ciphers, ssl_max_protocol_version and other ssl_ settings, or start it "
	     "with {\"safe\": true}",
	     ERR_reason_error_string(error));
	return PG_NO_TLS;
}

static enum pg_outcome tls_handshake(struct pg_wire *wire, struct error *err)
{
	wire->tls = SSL_new(context);
	if (!wire->tls || !SSL_set_fd(wire->tls, wire->fd))
		return lacking(err, "a TLS connection");
	BIO_set_callback_arg(SSL_get_rbio(wire->tls), (char *)wire);
	BIO_set_callback_ex(SSL_get_rbio(wire->tls), tls_may_read);
	for (;;) {
		enum pg_outcome outcome;
		short wants;
		int rc;

		ERR_clear_error();
		errno = 0;
		rc = SSL_connect(wire->tls);
		if (rc == 1)
			return PG_OK;
		wants = tls_wants(wire, rc);
		if (tls_check(wire, err) != PG_OK)
			return PG_FAILED;
		if (!wants && ERR_GET_REASON(ERR_peek_error()) == ERR_R_MALLOC_FAILURE)
			return lacking(err, "a TLS connection");
		if (!wants && ERR_peek_error())
			return tls_refused(ERR_peek_error(), err);
		if (!wants)
			return gone(err);
		outcome = wire_wait(wire, wants, err);
		if (outcome != PG_OK)
			return outcome;
	}
}

/* Exactly one byte is read in clear, so that bytes sent before the handshake have no
 * effect. */
static enum pg_outcome wire_secure(struct pg_wire *wire, struct error *err)
{
	AUTO_BUF request = { 0 };
	const uint32_t number[] = { htonl(8), htonl(SSL_REQUEST) };
	enum pg_outcome outcome;
	char answer;

	if (!buf_append(&request, number, sizeof(number)))
		return lacking(err, "a message");
	outcome = pg_wire_send(wire, &request, err);
	if (pg_wire_may_answer(outcome))
		outcome = pg_wire_read(wire, &answer, 1, err);
	if (outcome != PG_OK)
		return outcome;
	if (answer == 'E')
		return PG_REFUSED;
	return answer == 'S' ? tls_handshake(wire, err) : failed(err, "refuses TLS");
}

enum pg_outcome pg_wire_to_port(struct pg_wire *ret, const char *address, int port,
				long long deadline_ms, struct error *err)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port) };
	enum pg_outcome outcome;

	*ret = (struct pg_wire){ .fd = -1, .deadline_ms = deadline_ms };
	inet_pton(AF_INET, address, &to.sin_addr);
	outcome = wire_connect(ret, (struct sockaddr *)&to, sizeof(to), err);
	return outcome == PG_OK ? wire_secure(ret, err) : outcome;
}

void pg_wire_close(struct pg_wire *wire)
{
	if (wire->tls && SSL_is_init_finished(wire->tls))
		SSL_shutdown(
			wire->tls); /* sends close_notify and does not wait for an answer */
	ERR_clear_error();
	SSL_free(wire->tls); /* NULL is fine */
	if (wire->fd >= 0)
		close(wire->fd);
	*wire = (struct pg_wire){ .fd = -1 };
}

/* The hash is the one of the certificate's signature, or SHA-256 instead of a weaker
 * one. */
static const EVP_MD *binding_hash(const X509 *certificate)
{
	int hash = NID_undef;

	if (!OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &hash, NULL))
		return NULL;
	if (hash == NID_md5 || hash == NID_sha1)
		return EVP_sha256();
	return EVP_get_digestbynid(hash);
}

bool pg_wire_binding(const struct pg_wire *wire, unsigned char ret[WIRE_BINDING_MAX],
		     size_t *ret_length, struct error *err)
{
	X509 *certificate = wire->tls ? SSL_get1_peer_certificate(wire->tls) : NULL;
	const EVP_MD *hash = certificate ? binding_hash(certificate) : NULL;
	unsigned length = 0;
	bool ok = hash && X509_digest(certificate, hash, ret, &length);

	X509_free(certificate);
	*ret_length = length;
	return ok || fail(err, ERR_SERVER,
			  "the server's certificate cannot be bound to a login");
}
