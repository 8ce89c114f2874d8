/* Host keys: made at random, from a seed or from a file; printed; used to sign. */
#include "crypto/hostkey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/hostkey_priv.h"
#include "crypto/pem.h"
#include "crypto/sign_key.h"

#include "crypto/ssh_data.h"
#include "text/base64.h"
#include "text/hex.h"

#define TEXT_MAX 32768
#define SEED_ROUNDS 2048
#define SEED_BYTES 40

/*
 * The "ck-" form is the ECPrivateKey of SEC1 in DER, which for P-256 always has the same
 * bytes around the scalar and the public point.
 */
static const uint8_t der_head[] = { 0x30, 0x77, 0x02, 0x01, 0x01, 0x04, 0x20 };
static const uint8_t der_point[] = { 0xa1, 0x44, 0x03, 0x42, 0x00 };

#define DER_BYTES \
	(sizeof(der_head) + P256_SCALAR_BYTES + sizeof(p256_der_curve) + \
		sizeof(der_point) + P256_POINT_BYTES)

/* A key around @pkey, which it owns from now on, even if this fails; NULL: ERR_SYNTAX. */
static enum err hostkey_wrap(EVP_PKEY *pkey, struct hostkey **out)
{
	struct hostkey *key = mem_new(key);
	enum err rc = ERR_SYNTAX;

	if (key == NULL) {
		EVP_PKEY_free(pkey);
		return ERR_NOMEM;
	}
	buf_init(&key->blob, HOSTKEY_BLOB_MAX);
	key->pkey = pkey;
	key->kind = pkey != NULL ? pkey_kind_of(pkey) : NULL;
	if (key->kind != NULL)
		rc = pkey_print(pkey, key->kind, &key->blob);
	if (rc != ERR_OK) {
		ERR_clear_error();
		hostkey_free(key);
		return rc == ERR_CRYPTO ? ERR_SYNTAX : rc; /* it has no public half */
	}
	*out = key;
	return ERR_OK;
}

void hostkey_free(struct hostkey *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_free(key->pkey); /* wipes the private half */
	buf_fini(&key->blob);
	free(key);
}

enum err hostkey_generate(struct hostkey **out)
{
	return hostkey_wrap(EVP_EC_gen("P-256"), out);
}

/* The first SEED_BYTES of the stream that Chisel draws from a seed. */
static enum err seed_stream(const char *seed, uint8_t out[SEED_BYTES])
{
	uint8_t h[HASH_SHA512_BYTES] = { 0 };
	enum err rc = hash_sha512(span_str(seed), h);

	/* The first half of a hash is the next state; the second half may be let out. */
	for (int i = 0; i < SEED_ROUNDS && rc == ERR_OK; i++)
		rc = hash_sha512(span_of(h, 32), h);
	memcpy(out, h + 32, 32);
	if (rc == ERR_OK)
		rc = hash_sha512(span_of(h, 32), h);
	memcpy(out + 32, h + 32, SEED_BYTES - 32);
	mem_wipe(h, sizeof(h));
	return rc;
}

/* Makes a scalar, 1 to the order of P-256 less 1, of @seed. */
static enum err seed_reduce(const uint8_t seed[SEED_BYTES],
	uint8_t scalar[P256_SCALAR_BYTES])
{
	BN_CTX *ctx = BN_CTX_secure_new();
	BIGNUM *d = BN_secure_new(), *b = BN_secure_new(), *order = NULL;
	enum err rc = ERR_NOMEM;

	BN_hex2bn(&order,
		"ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
	if (ctx != NULL && d != NULL && b != NULL && order != NULL &&
		BN_bin2bn(seed, SEED_BYTES, b) != NULL && BN_sub_word(order, 1) == 1 &&
		BN_mod(d, b, order, ctx) == 1 && BN_add_word(d, 1) == 1 &&
		BN_bn2binpad(d, scalar, P256_SCALAR_BYTES) == P256_SCALAR_BYTES)
		rc = ERR_OK;
	BN_free(order);
	BN_clear_free(b);
	BN_clear_free(d);
	BN_CTX_free(ctx);
	return rc;
}

enum err hostkey_from_seed(const char *seed, struct hostkey **out)
{
	uint8_t drawn[SEED_BYTES], scalar[P256_SCALAR_BYTES];
	enum err rc = seed_stream(seed, drawn);

	if (rc == ERR_OK)
		rc = seed_reduce(drawn, scalar);
	if (rc == ERR_OK)
		rc = hostkey_wrap(pkey_p256(scalar), out);
	mem_wipe(drawn, sizeof(drawn));
	mem_wipe(scalar, sizeof(scalar));
	return rc;
}

/* A key of a file may have halves that do not belong together: let it prove itself. */
static enum err hostkey_prove(const struct hostkey *key, struct why *why)
{
	struct span data = span_str("a host key must be able to sign");
	char first[HOSTKEY_ALGORITHM_MAX];
	struct buf signature;
	enum err rc;

	(void)hostkey_best_algorithm(key, first);
	buf_init(&signature, HOSTKEY_SIGNATURE_MAX);
	rc = hostkey_sign(key, first, data, &signature);
	if (rc == ERR_OK)
		rc = hostkey_verify(buf_span(&key->blob), first, data,
			buf_span(&signature));
	buf_fini(&signature);
	if (rc != ERR_OK)
		return err_set(why, ERR_SYNTAX,
			"the public half of the key does not belong to its private half");
	return ERR_OK;
}

static enum err hostkey_put_der(const struct hostkey *key, uint8_t der[DER_BYTES])
{
	BIGNUM *d = NULL;
	uint8_t *to = mem_put(der, der_head, sizeof(der_head));
	enum err rc = ERR_CRYPTO;

	if (EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_PRIV_KEY, &d) == 1 &&
		BN_bn2binpad(d, to, P256_SCALAR_BYTES) == P256_SCALAR_BYTES)
		rc = ERR_OK;
	BN_clear_free(d);
	to = mem_put(to + P256_SCALAR_BYTES, p256_der_curve, sizeof(p256_der_curve));
	to = mem_put(to, der_point, sizeof(der_point));
	/* K_S ends in the point. */
	memcpy(to, key->blob.p + key->blob.n - P256_POINT_BYTES, P256_POINT_BYTES);
	return rc;
}

/* The bytes behind "ck-": exactly those that the key of their scalar is printed as. */
static enum err parse_der(struct span der, struct hostkey **out, struct why *why)
{
	uint8_t same[DER_BYTES] = { 0 };
	struct hostkey *key = NULL;
	enum err rc = ERR_SYNTAX;

	if (der.n == sizeof(same))
		rc = hostkey_wrap(pkey_p256(der.p + sizeof(der_head)), &key);
	if (rc == ERR_OK)
		rc = hostkey_put_der(key, same);
	if (rc == ERR_OK && CRYPTO_memcmp(der.p, same, sizeof(same)) != 0)
		rc = ERR_SYNTAX;
	mem_wipe(same, sizeof(same));
	if (rc != ERR_OK) {
		hostkey_free(key);
		return err_set(why, rc, "the \"ck-\" key is not a valid P-256 key");
	}
	*out = key;
	return ERR_OK;
}

static enum err parse_ck(struct span text, struct hostkey **out, struct why *why)
{
	char line[BASE64_TEXT_SIZE(DER_BYTES)];
	uint8_t der[DER_BYTES];
	size_t n = 0, der_n;
	enum err rc = ERR_OK;

	for (size_t i = 0; i < text.n && rc == ERR_OK; i++) {
		if (text.p[i] == '\r' || text.p[i] == '\n')
			continue;
		if (n == sizeof(line))
			rc = ERR_LIMIT;
		else
			line[n++] = (char)text.p[i];
	}
	if (rc == ERR_OK)
		rc = base64_decode(BASE64_UNPADDED, span_of(line, n), der, sizeof(der),
			&der_n);
	if (rc == ERR_OK)
		rc = parse_der(span_of(der, der_n), out, why);
	else
		rc = err_set(why, ERR_SYNTAX,
			"the text after \"ck-\" is not the base64 form of a key");
	mem_wipe(line, sizeof(line));
	mem_wipe(der, sizeof(der));
	return rc;
}

/* OpenSSL takes the armour off OpenSSH's format too, but does not know what is inside. */
static enum err parse_armour(struct span text, EVP_PKEY **out, struct why *why)
{
	BIO *bio = BIO_new_mem_buf(text.p, (int)text.n);
	char *name = NULL, *header = NULL;
	uint8_t *data = NULL;
	bool is_encrypted = false;
	long n = 0;
	enum err rc = ERR_OK;

	if (bio == NULL || PEM_read_bio(bio, &name, &header, &data, &n) != 1)
		rc = err_set(why, ERR_SYNTAX,
			"the text is neither a \"ck-\" key nor PEM");
	else if (strcmp(name, "OPENSSH PRIVATE KEY") == 0)
		rc = openssh_key_parse(span_of(data, (size_t)n), out, why);
	else if ((*out = pem_read_key(text, &is_encrypted)) == NULL)
		rc = is_encrypted ?
			err_set(why, ERR_DENIED,
				"the key is protected by a pass phrase") :
			err_set(why, ERR_SYNTAX, "the PEM text is not a private key");
	OPENSSL_clear_free(data, (size_t)n);
	OPENSSL_free(header);
	OPENSSL_free(name);
	BIO_free(bio);
	return rc;
}

static enum err parse_file(struct span text, struct hostkey **out, struct why *why)
{
	struct hostkey *key;
	EVP_PKEY *pkey = NULL;
	enum err rc = parse_armour(text, &pkey, why);

	ERR_clear_error();
	if (rc != ERR_OK)
		return rc;
	rc = hostkey_wrap(pkey, &key);
	if (rc != ERR_OK)
		return err_set(why, rc,
			"the key is not ECDSA, Ed25519 or RSA of 2048 to 8192 bits");
	rc = hostkey_prove(key, why);
	if (rc != ERR_OK) {
		hostkey_free(key);
		return rc;
	}
	*out = key;
	return ERR_OK;
}

enum err hostkey_parse(struct span text, struct hostkey **out, struct why *why)
{
	if (text.n > TEXT_MAX)
		return err_set(why, ERR_SYNTAX, "the text is too long for a key");
	if (text.n >= 3 && memcmp(text.p, "ck-", 3) == 0)
		return parse_ck(span_of(text.p + 3, text.n - 3), out, why);
	return parse_file(text, out, why);
}

enum err hostkey_print(const struct hostkey *key, struct buf *out)
{
	uint8_t der[DER_BYTES], *room;
	size_t n;
	enum err rc;

	if (strcmp(key->kind->name, "ecdsa-sha2-nistp256") != 0)
		return ERR_USAGE;
	rc = hostkey_put_der(key, der);
	if (rc == ERR_OK)
		rc = buf_reserve(out, 3 + BASE64_TEXT_SIZE(sizeof(der)), &room);
	if (rc == ERR_OK) {
		memcpy(room, "ck-", 3);
		n = base64_encode(BASE64_UNPADDED, span_of(der, sizeof(der)),
			(char *)room + 3);
		buf_commit(out, 3 + n);
	}
	mem_wipe(der, sizeof(der));
	return rc;
}

struct span hostkey_blob(const struct hostkey *key)
{
	return buf_span(&key->blob);
}

const char *hostkey_algorithms(const struct hostkey *key)
{
	return key->kind->algorithms;
}

const char *hostkey_best_algorithm(const struct hostkey *key,
	char to[HOSTKEY_ALGORITHM_MAX])
{
	const char *all = key->kind->algorithms;

	snprintf(to, HOSTKEY_ALGORITHM_MAX, "%.*s", (int)strcspn(all, ","), all);
	return to;
}

bool hostkey_blob_can(struct span blob, struct span algorithm)
{
	const struct pkey_kind *kind;
	struct span name;

	if (!ssh_get_string(&blob, &name) || (kind = pkey_kind_find(name)) == NULL)
		return false;
	return ssh_list_has(span_str(kind->algorithms), algorithm);
}

enum err hostkey_put_certificate_blob(struct span pem, struct buf *out)
{
	EVP_PKEY *pkey = sign_key_of_certificate(pem);
	const struct pkey_kind *kind = pkey != NULL ? pkey_kind_of(pkey) : NULL;
	enum err rc = kind != NULL ? pkey_print(pkey, kind, out) : ERR_SYNTAX;

	EVP_PKEY_free(pkey);
	ERR_clear_error();
	return rc == ERR_CRYPTO ? ERR_SYNTAX : rc;
}

enum err hostkey_print_blob(struct span blob, struct buf *out)
{
	struct span rest = blob, name;
	const struct pkey_kind *kind = NULL;
	uint8_t *room;
	enum err rc;

	if (ssh_get_string(&rest, &name))
		kind = pkey_kind_find(name);
	if (kind == NULL)
		return ERR_SYNTAX;
	rc = buf_printf(out, "%s ", kind->name);
	if (rc == ERR_OK)
		rc = buf_reserve(out, BASE64_TEXT_SIZE(blob.n), &room);
	if (rc == ERR_OK)
		buf_commit(out, base64_encode(BASE64_PADDED, blob, (char *)room));
	return rc;
}

void hostkey_sha256(struct span blob, char out[HOSTKEY_SHA256_CHARS + 1])
{
	uint8_t digest[HASH_SHA256_BYTES];

	out[0] = '\0';
	if (hash_sha256(blob, digest) == ERR_OK)
		base64_encode(BASE64_PADDED, span_of(digest, sizeof(digest)), out);
}

void hostkey_md5(struct span blob, char out[HOSTKEY_MD5_CHARS + 1])
{
	uint8_t digest[HASH_MD5_BYTES];

	out[0] = '\0';
	if (hash_md5(blob, digest) != ERR_OK)
		return;
	for (size_t i = 0; i < sizeof(digest); i++) {
		hex_encode(span_of(digest + i, 1), out + 3 * i);
		out[3 * i + 2] = ':';
	}
	out[HOSTKEY_MD5_CHARS] = '\0';
}
