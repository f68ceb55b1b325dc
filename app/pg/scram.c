/* Hashes are libcrypto's; libidn prepares the password. */
#include "pg/scram.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stringprep.h>

#include "base/scope.h"

#define GS2_HEADER "p=tls-server-end-point,,"
#define NONCE_BYTES 18
#define SALT_MAX 256

static bool no_memory(struct error *err)
{
	return fail(err, ERR_INTERNAL, "out of memory");
}

static bool no_sense(struct error *err, const char *what)
{
	return fail(err, ERR_SERVER, "the server's SCRAM message is not valid: %s", what);
}

static bool base64_append(struct buf *to, const void *data, size_t length)
{
	AUTO_FREE char *text = malloc(4 * ((length + 2) / 3) + 1);

	return text && buf_append(to, text,
				  (size_t)EVP_EncodeBlock((unsigned char *)text, data,
							  (int)length));
}

/* Decodes base64 into ret; false when the text is not base64 of at most max bytes. */
static bool base64_read(const char *text, size_t length, unsigned char *ret, size_t max,
			size_t *ret_length)
{
	unsigned char bytes[SALT_MAX + 3];
	size_t padding = length && text[length - 1] == '=';
	int count;

	padding += length > 1 && text[length - 2] == '=';
	if (length == 0 || length % 4 || length / 4 * 3 > sizeof(bytes) ||
	    strcspn(text, "=") < length - padding)
		return false;
	count = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)length);
	if (count < 0 || (size_t)count - padding > max)
		return false;
	*ret_length = (size_t)count - padding;
	memcpy(ret, bytes, *ret_length);
	return true;
}

/*
 * SASLprep (RFC 4013) as PostgreSQL does it (src/common/saslprep.c): a password that it
 * cannot prepare, or would make empty, is taken as it is.
 */
static bool password_prepare(struct buf *ret, const char *password)
{
	char *prepared = NULL;
	int rc = stringprep_profile(password, &prepared, "SASLprep",
				    STRINGPREP_NO_UNASSIGNED);
	bool is_prepared = rc == STRINGPREP_OK && *prepared;
	const char *use = is_prepared ? prepared : password;
	bool ok = rc != STRINGPREP_MALLOC_ERROR && buf_append(ret, use, strlen(use));

	if (prepared)
		explicit_bzero(prepared, strlen(prepared));
	free(prepared);
	return ok;
}

static bool hmac(unsigned char ret[SCRAM_HASH], const unsigned char *key,
		 const char *text)
{
	unsigned length = SCRAM_HASH;

	return HMAC(EVP_sha256(), key, SCRAM_HASH, (const unsigned char *)text,
		    strlen(text), ret, &length) != NULL;
}

static bool nonce_make(struct scram *scram)
{
	unsigned char bytes[NONCE_BYTES];

	if (RAND_bytes(bytes, sizeof(bytes)) != 1)
		return false;
	EVP_EncodeBlock((unsigned char *)scram->nonce, bytes, sizeof(bytes));
	return true;
}

/* The user name (n=) is empty: PostgreSQL takes it from the startup message. */
bool scram_first(struct scram *scram, const char *password, const unsigned char *binding,
		 size_t binding_length, struct buf *ret, struct error *err)
{
	AUTO_BUF bound = { 0 };

	*scram = (struct scram){ 0 };
	if (!nonce_make(scram))
		return fail(err, ERR_INTERNAL, "cannot get random bytes");
	if (!password_prepare(&scram->password, password) ||
	    !buf_printf(&bound, GS2_HEADER) ||
	    !buf_append(&bound, binding, binding_length) ||
	    !base64_append(&scram->binding, bound.data, bound.length) ||
	    !buf_printf(&scram->bare, "n=,r=%s", scram->nonce) ||
	    !buf_printf(ret, GS2_HEADER "%s", buf_text(&scram->bare)))
		return no_memory(err);
	return true;
}

/* The server's first message, taken apart; texts are borrowed from it. */
struct challenge {
	const char *nonce;
	size_t nonce_length;
	unsigned char salt[SALT_MAX];
	size_t salt_length;
	int iterations;
};

/* Takes "x=value" off *text, to the next comma or the end. */
static bool attribute_take(const char **text, char name, const char **ret_value,
			   size_t *ret_length)
{
	if ((*text)[0] != name || (*text)[1] != '=')
		return false;
	*ret_value = *text + 2;
	*ret_length = strcspn(*ret_value, ",");
	*text = *ret_value + *ret_length;
	*text += **text == ',';
	return true;
}

static bool iterations_read(const char *text, size_t length, int *ret, struct error *err)
{
	if (length < 1 || strspn(text, "0123456789") < length || text[0] == '0')
		return no_sense(err, "the iteration count is not a number");
	if (length > 6 || atoi(text) > SCRAM_ITERATIONS_MAX)
		return fail(err, ERR_SERVER,
			    "the server asks for more than %d iterations of SCRAM",
			    SCRAM_ITERATIONS_MAX);
	if (atoi(text) < SCRAM_ITERATIONS_MIN)
		return fail(err, ERR_SERVER,
			    "the server asks for fewer than %d iterations of SCRAM, with "
			    "which it could guess the password; set the password anew",
			    SCRAM_ITERATIONS_MIN);
	*ret = atoi(text);
	return true;
}

static bool challenge_read(struct challenge *ret, const struct scram *scram,
			   const char *text, struct error *err)
{
	size_t ours = strlen(scram->nonce), length;
	const char *value;

	if (!attribute_take(&text, 'r', &ret->nonce, &ret->nonce_length) ||
	    ret->nonce_length <= ours || memcmp(ret->nonce, scram->nonce, ours) != 0)
		return no_sense(err, "the nonce does not begin with pgberth's");
	if (!attribute_take(&text, 's', &value, &length) ||
	    !base64_read(value, length, ret->salt, sizeof(ret->salt), &ret->salt_length))
		return no_sense(err, "the salt is missing or not base64");
	if (ret->salt_length < SCRAM_SALT_MIN)
		return no_sense(err, "the salt is too short");
	if (!attribute_take(&text, 'i', &value, &length))
		return no_sense(err, "the iteration count is missing");
	return iterations_read(value, length, &ret->iterations, err) &&
	       (!*text || no_sense(err, "it has more attributes than it should"));
}

/* "SaltedPassword" of RFC 5802. */
static bool password_salt(unsigned char ret[SCRAM_HASH], const struct scram *scram,
			  const struct challenge *challenge)
{
	return PKCS5_PBKDF2_HMAC(buf_text(&scram->password), (int)scram->password.length,
				 challenge->salt, (int)challenge->salt_length,
				 challenge->iterations, EVP_sha256(), SCRAM_HASH,
				 ret) == 1;
}

/* Makes the client's proof for `message`, and the signature that the server must answer. */
static bool proof_make(unsigned char ret_proof[SCRAM_HASH], struct scram *scram,
		       const struct challenge *challenge, const struct buf *message)
{
	unsigned char salted[SCRAM_HASH], stored[SCRAM_HASH], signature[SCRAM_HASH],
		server_key[SCRAM_HASH];
	bool ok = password_salt(salted, scram, challenge) &&
		  hmac(ret_proof, salted, "Client Key") &&
		  SHA256(ret_proof, SCRAM_HASH, stored) &&
		  hmac(signature, stored, buf_text(message)) &&
		  hmac(server_key, salted, "Server Key") &&
		  hmac(scram->server_signature, server_key, buf_text(message));

	for (size_t i = 0; ok && i < SCRAM_HASH; i++)
		ret_proof[i] ^= signature[i];
	explicit_bzero(salted, sizeof(salted));
	return ok;
}

bool scram_final(struct scram *scram, const char *server_first, struct buf *ret,
		 struct error *err)
{
	struct challenge challenge = { 0 };
	unsigned char proof[SCRAM_HASH];
	AUTO_BUF bare = { 0 };
	AUTO_BUF message = { 0 };

	if (!challenge_read(&challenge, scram, server_first, err))
		return false;
	if (!buf_printf(&bare, "c=%s,r=%.*s", buf_text(&scram->binding),
			(int)challenge.nonce_length, challenge.nonce) ||
	    !buf_printf(&message, "%s,%s,%s", buf_text(&scram->bare), server_first,
			buf_text(&bare)) ||
	    !proof_make(proof, scram, &challenge, &message) ||
	    !buf_printf(ret, "%s,p=", buf_text(&bare)) ||
	    !base64_append(ret, proof, sizeof(proof)))
		return no_memory(err);
	return true;
}

bool scram_check(const struct scram *scram, const char *server_final, struct error *err)
{
	unsigned char signature[SCRAM_HASH];
	const char *value;
	size_t length, got = 0;

	if (!attribute_take(&server_final, 'v', &value, &length) ||
	    !base64_read(value, length, signature, sizeof(signature), &got))
		return no_sense(err, "the signature is missing");
	if (got != SCRAM_HASH ||
	    CRYPTO_memcmp(signature, scram->server_signature, SCRAM_HASH) != 0)
		return fail(err, ERR_SERVER,
			    "the server does not know the password's verifier");
	return true;
}

void scram_done(struct scram *scram)
{
	buf_done(&scram->password);
	buf_done(&scram->binding);
	buf_done(&scram->bare);
	explicit_bzero(scram, sizeof(*scram));
}
