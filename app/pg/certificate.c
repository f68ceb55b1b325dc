/* Keys and certificates are made by libcrypto, without files or processes. */
#include "pg/certificate.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/scope.h"
#include "model/config.h"

#define DAY_S (24L * 60 * 60)
#define VALID_S (3650L * DAY_S)
#define RENEW_S (30 * DAY_S) /* before its end */
#define NAMES_SIZE 512

static void key_done(EVP_PKEY **key)
{
	EVP_PKEY_free(*key);
}

static void certificate_done(X509 **certificate)
{
	X509_free(*certificate);
}

static void bio_done(BIO **bio)
{
	BIO_free(*bio);
}

#define AUTO_KEY __attribute__((cleanup(key_done))) EVP_PKEY
#define AUTO_CERTIFICATE __attribute__((cleanup(certificate_done))) X509
#define AUTO_BIO __attribute__((cleanup(bio_done))) BIO

static bool extension_add(X509 *certificate, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	bool ok = extension && X509_add_ext(certificate, extension, -1);

	X509_EXTENSION_free(extension);
	return ok;
}

/* False where servers are at every address of the host: which one a client uses is not
 * known. */
static bool has_address(void)
{
	return strcmp(config()->publish_address, "0.0.0.0") != 0;
}

/* Writes the names at which clients may find the server: each client compares the one that
 * it was given. */
static void names_write(char ret[NAMES_SIZE])
{
	char host[256] = "";
	int used = snprintf(ret, NAMES_SIZE, "DNS:localhost,IP:127.0.0.1,IP:::1");

	if (has_address())
		used += snprintf(ret + used, NAMES_SIZE - (size_t)used, ",IP:%s",
				 config()->publish_address);
	if (gethostname(host, sizeof(host) - 1) == 0 && *host &&
	    !host[strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			       "0123456789.-")])
		snprintf(ret + used, NAMES_SIZE - (size_t)used, ",DNS:%s", host);
}

static bool certificate_fill(X509 *certificate, EVP_PKEY *key, const char *common_name)
{
	X509_NAME *name = X509_get_subject_name(certificate);
	char names[NAMES_SIZE];
	uint64_t serial = 0;

	names_write(names);
	return RAND_bytes((unsigned char *)&serial, sizeof(serial)) == 1 &&
	       X509_set_version(certificate, X509_VERSION_3) &&
	       ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate),
				       serial >> 1 | 1) &&
	       X509_gmtime_adj(X509_getm_notBefore(certificate), -DAY_S) &&
	       X509_gmtime_adj(X509_getm_notAfter(certificate), VALID_S) &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
					  (const unsigned char *)common_name, -1, -1,
					  0) &&
	       X509_set_issuer_name(certificate, name) &&
	       X509_set_pubkey(certificate, key) &&
	       extension_add(certificate, NID_subject_alt_name, names) &&
	       X509_sign(certificate, key, EVP_sha256()) > 0;
}

static bool bio_append(BIO *bio, struct buf *ret)
{
	char *data;
	long length = BIO_get_mem_data(bio, &data);

	return length > 0 && buf_append(ret, data, (size_t)length);
}

int certificate_no_passphrase(char *text, int size, int writing, void *user)
{
	(void)text;
	(void)size;
	(void)writing;
	(void)user;
	return 0;
}

bool certificate_make(const char *common_name, struct buf *ret_key,
		      struct buf *ret_certificate, struct error *err)
{
	AUTO_KEY *key = EVP_EC_gen("P-256");
	AUTO_CERTIFICATE *certificate = X509_new();
	AUTO_BIO *key_text = BIO_new(BIO_s_secmem());
	AUTO_BIO *text = BIO_new(BIO_s_mem());

	if (!key || !certificate || !key_text || !text ||
	    !certificate_fill(certificate, key, common_name) ||
	    !PEM_write_bio_PrivateKey(key_text, key, NULL, NULL, 0, NULL, NULL) ||
	    !PEM_write_bio_X509(text, certificate) || !bio_append(key_text, ret_key) ||
	    !bio_append(text, ret_certificate))
		return fail(err, ERR_INTERNAL, "cannot make a certificate");
	return true;
}

bool certificates_of(const char *text, struct buf *ret)
{
	AUTO_BIO *from = BIO_new_mem_buf(text, -1);
	AUTO_BIO *to = BIO_new(BIO_s_mem());
	X509 *certificate = NULL;
	bool ok = from && to, is_end;

	while (ok &&
	       PEM_read_bio_X509(from, &certificate, certificate_no_passphrase, NULL))
		ok = PEM_write_bio_X509(to, certificate);
	is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
	X509_free(certificate);
	ERR_clear_error();
	return ok && is_end && bio_append(to, ret);
}

bool certificate_serves(const char *text)
{
	AUTO_BIO *bio = BIO_new_mem_buf(text, -1);
	AUTO_CERTIFICATE *certificate =
		bio ? PEM_read_bio_X509(bio, NULL, certificate_no_passphrase, NULL)
		    : NULL;
	time_t renew_at = time(NULL) + RENEW_S;

	ERR_clear_error();
	return certificate &&
	       X509_cmp_time(X509_get0_notAfter(certificate), &renew_at) > 0 &&
	       (!has_address() ||
		X509_check_ip_asc(certificate, config()->publish_address, 0) == 1);
}
