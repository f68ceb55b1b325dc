/* The host's pair is read again at each use, so a new one needs no restart of pgberthd. */
#include "pg/certificate_host.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>

#include "base/log.h"
#include "base/scope.h"
#include "model/config.h"
#include "pg/certificate.h"

#define PEM_MAX (64 * 1024)

struct pair {
	struct buf key, certificate;
};

static struct {
	pthread_mutex_t lock;
	struct pair pair; /* held under lock */
} last_good = { .lock = PTHREAD_MUTEX_INITIALIZER };

bool certificate_host_is_set(void)
{
	return config()->tls_certificate != NULL;
}

static void pair_done(struct pair *pair)
{
	buf_done(&pair->key);
	buf_done(&pair->certificate);
}

static bool file_read(const char *path, struct buf *ret, struct error *err)
{
	FILE *file = fopen(path, "re");
	char chunk[4096];
	size_t got;
	bool ok;

	if (!file)
		return fail_errno(err, "cannot read %s", path);
	ret->max = PEM_MAX;
	while ((got = fread(chunk, 1, sizeof(chunk), file)) > 0 &&
	       buf_append(ret, chunk, got))
		;
	ok = feof(file) && !ferror(file);
	explicit_bzero(chunk, sizeof(chunk));
	fclose(file);
	return ok || fail(err, ERR_INVALID, "%s cannot be read, or is too long", path);
}

/* SCRAM's channel binding uses the hash of the certificate's signature (RFC 5929, 4.1).
 * PostgreSQL finds none for Ed25519 and RSA-PSS: every login of pgberth would fail. */
static bool has_hash(const X509 *certificate)
{
	int hash = NID_undef;

	return OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &hash, NULL) &&
	       hash != NID_undef;
}

/* A server does not start with a pair that OpenSSL rejects, such as a short key. */
static bool is_strong(X509 *certificate, EVP_PKEY *key)
{
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	bool ok = context && SSL_CTX_use_certificate(context, certificate) == 1 &&
		  SSL_CTX_use_PrivateKey(context, key) == 1;

	SSL_CTX_free(context);
	return ok;
}

static bool pair_fits(X509 *certificate, EVP_PKEY *key, struct error *err)
{
	if (!certificate)
		return fail(err, ERR_INVALID, "%s does not hold a certificate in PEM",
			    config()->tls_certificate);
	if (!key)
		return fail(err, ERR_INVALID,
			    "%s does not hold a key in PEM without a passphrase",
			    config()->tls_key);
	if (X509_check_private_key(certificate, key) != 1)
		return fail(err, ERR_INVALID, "%s is not the key of %s",
			    config()->tls_key, config()->tls_certificate);
	if (!is_strong(certificate, key))
		return fail(err, ERR_INVALID, "%s is too weak for TLS",
			    config()->tls_certificate);
	return has_hash(certificate) ||
	       fail(err, ERR_INVALID,
		    "%s has a signature that SCRAM's channel binding cannot use: take "
		    "RSA or ECDSA, with SHA-256 or better",
		    config()->tls_certificate);
}

/* The key alone, in PEM. */
static bool key_write(EVP_PKEY *key, struct buf *ret)
{
	BIO *to = BIO_new(BIO_s_secmem());
	char *data = NULL;
	bool ok = to && PEM_write_bio_PrivateKey(to, key, NULL, NULL, 0, NULL, NULL);
	long length = ok ? BIO_get_mem_data(to, &data) : 0;

	ok = length > 0 && buf_append(ret, data, (size_t)length);
	BIO_free(to);
	return ok;
}

/* One file may hold both, and texts around them: servers get either without the rest. */
static bool pair_write(const struct pair *texts, EVP_PKEY *key, struct pair *ret,
		       struct error *err)
{
	if (!certificates_of(buf_text(&texts->certificate), &ret->certificate))
		return fail(err, ERR_INVALID,
			    "%s holds a certificate that cannot be read",
			    config()->tls_certificate);
	return key_write(key, &ret->key) || fail(err, ERR_INTERNAL, "out of memory");
}

/* Checks the texts of both files, and writes key and certificates of them to *ret. */
static bool pair_make(const struct pair *pair, struct pair *ret, struct error *err)
{
	BIO *texts[] = { BIO_new_mem_buf(buf_text(&pair->certificate),
					 (int)pair->certificate.length),
			 BIO_new_mem_buf(buf_text(&pair->key), (int)pair->key.length) };
	X509 *certificate = NULL;
	EVP_PKEY *key = NULL;
	bool ok = texts[0] && texts[1];

	if (ok) {
		certificate = PEM_read_bio_X509(texts[0], NULL, certificate_no_passphrase,
						NULL);
		key = PEM_read_bio_PrivateKey(texts[1], NULL, certificate_no_passphrase,
					      NULL);
		ok = pair_fits(certificate, key, err) && pair_write(pair, key, ret, err);
	} else {
		fail(err, ERR_INTERNAL, "out of memory");
	}
	X509_free(certificate);
	EVP_PKEY_free(key);
	BIO_free(texts[0]);
	BIO_free(texts[1]);
	ERR_clear_error();
	return ok;
}

/* Reads the pair; a good one becomes the last good one. */
static bool pair_renew(struct error *err)
{
	struct pair texts = { 0 }, pair = { 0 };
	bool ok = file_read(config()->tls_key, &texts.key, err) &&
		  file_read(config()->tls_certificate, &texts.certificate, err) &&
		  pair_make(&texts, &pair, err);

	pair_done(&texts);
	if (!ok) {
		pair_done(&pair);
		return false;
	}
	pthread_mutex_lock(&last_good.lock);
	pair_done(&last_good.pair);
	last_good.pair = pair;
	pthread_mutex_unlock(&last_good.lock);
	return true;
}

bool certificate_host_init(struct error *err)
{
	return !certificate_host_is_set() || pair_renew(err) ||
	       fail_because(err, "tls_certificate and tls_key cannot be used");
}

bool certificate_host_read(struct buf *ret_key, struct buf *ret_certificate)
{
	const struct pair *pair = &last_good.pair;
	struct error err;
	bool ok;

	if (!pair_renew(&err))
		log_warn("host certificate not renewed error=%s", LOG_TEXT(err.message));
	pthread_mutex_lock(&last_good.lock);
	ok = buf_append(ret_key, pair->key.data, pair->key.length) &&
	     buf_append(ret_certificate, pair->certificate.data,
			pair->certificate.length);
	pthread_mutex_unlock(&last_good.lock);
	return ok;
}
