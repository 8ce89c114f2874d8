/* JSON Web Signatures with ES256 and HS256. */
#include "acme/jws.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/mem.h"
#include "crypto/hash.h"
#include "text/base64.h"
#include "text/json.h"

#define P256_BYTES 32
#define JWS_PART_MAX (128 * 1024) /* protected header, payload, signature */
#define JWK_MAX 512
#define GROUP_NAME_MAX 32

EVP_PKEY *jws_key_new(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");

	ERR_clear_error();
	return key;
}

enum err jws_key_put(EVP_PKEY *key, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_secmem());
	enum err rc = ERR_CRYPTO;
	char *text;

	if (bio != NULL &&
		PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
		long n = BIO_get_mem_data(bio, &text);

		rc = buf_put(out, text, (size_t)n);
	}
	BIO_free(bio);
	ERR_clear_error();
	return rc;
}

static enum err put_base64(struct span in, struct buf *out)
{
	uint8_t *to;
	enum err rc = buf_reserve(out, BASE64_TEXT_SIZE(in.n), &to);

	if (rc == ERR_OK)
		buf_commit(out, base64_encode(BASE64_URL, in, (char *)to));
	return rc;
}

/* ---- the public key ---- */

static bool is_p256(EVP_PKEY *key)
{
	char group[GROUP_NAME_MAX];
	size_t n;

	return EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group,
		       sizeof(group), &n) == 1 &&
		strcmp(group, SN_X9_62_prime256v1) == 0;
}

static enum err put_coordinate(EVP_PKEY *key, const char *name, struct buf *out)
{
	uint8_t bytes[P256_BYTES];
	BIGNUM *number = NULL;
	enum err rc = ERR_CRYPTO;

	if (EVP_PKEY_get_bn_param(key, name, &number) == 1 &&
		BN_bn2binpad(number, bytes, sizeof(bytes)) == (int)sizeof(bytes))
		rc = put_base64(span_of(bytes, sizeof(bytes)), out);
	BN_free(number);
	return rc;
}

enum err jws_put_jwk(EVP_PKEY *key, struct buf *out)
{
	enum err rc = is_p256(key) ? ERR_OK : ERR_CRYPTO;

	buf_put_str(out, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"");
	if (rc == ERR_OK)
		rc = put_coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X, out);
	buf_put_str(out, "\",\"y\":\"");
	if (rc == ERR_OK)
		rc = put_coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y, out);
	buf_put_str(out, "\"}");
	ERR_clear_error();
	return rc == ERR_OK ? out->failed : rc;
}

enum err jws_thumbprint(EVP_PKEY *key, char out[JWS_THUMBPRINT_SIZE])
{
	uint8_t hash[HASH_SHA256_BYTES];
	struct buf jwk;
	enum err rc;

	buf_init(&jwk, JWK_MAX);
	rc = jws_put_jwk(key, &jwk);
	if (rc == ERR_OK)
		rc = hash_sha256(buf_span(&jwk), hash);
	if (rc == ERR_OK)
		(void)base64_encode(BASE64_URL, span_of(hash, sizeof(hash)), out);
	buf_fini(&jwk);
	return rc;
}

/* ---- signatures ---- */

/* The two numbers of @der, each of 32 bytes (RFC 7518 3.4). */
static bool split_signature(const uint8_t *der, size_t n, uint8_t out[2 * P256_BYTES])
{
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long)n);
	bool ok = pair != NULL &&
		BN_bn2binpad(ECDSA_SIG_get0_r(pair), out, P256_BYTES) == P256_BYTES &&
		BN_bn2binpad(ECDSA_SIG_get0_s(pair), out + P256_BYTES, P256_BYTES) ==
			P256_BYTES;

	ECDSA_SIG_free(pair);
	return ok;
}

static enum err put_es256(EVP_PKEY *key, struct span text, struct buf *out)
{
	uint8_t der[128], signature[2 * P256_BYTES];
	size_t n = sizeof(der);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx != NULL && is_p256(key) &&
		EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestSign(ctx, der, &n, text.p, text.n) == 1 &&
		split_signature(der, n, signature);

	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok ? put_base64(span_of(signature, sizeof(signature)), out) : ERR_CRYPTO;
}

static enum err put_hs256(struct span secret, struct span text, struct buf *out)
{
	uint8_t mac[HASH_SHA256_BYTES];
	enum err rc = hash_hmac_sha256(secret, text, mac);

	return rc == ERR_OK ? put_base64(span_of(mac, sizeof(mac)), out) : rc;
}

/*
 * Appends {"protected", "payload", "signature"}; what is signed is the text of the first
 * two with a dot between. Without @key the signature is by @secret.
 */
static enum err put_flattened(EVP_PKEY *key, struct span secret, struct span header,
	struct span payload, struct buf *out)
{
	struct buf text;
	size_t header_n;
	enum err rc;

	buf_init(&text, 2 * JWS_PART_MAX);
	rc = put_base64(header, &text);
	header_n = text.n;
	buf_put_u8(&text, '.');
	if (rc == ERR_OK)
		rc = put_base64(payload, &text);
	if (rc == ERR_OK)
		rc = text.failed;
	if (rc == ERR_OK) {
		const struct span signed_text = buf_span(&text);

		buf_put_str(out, "{\"protected\":\"");
		buf_put(out, signed_text.p, header_n);
		buf_put_str(out, "\",\"payload\":\"");
		buf_put(out, signed_text.p + header_n + 1, signed_text.n - header_n - 1);
		buf_put_str(out, "\",\"signature\":\"");
		rc = key != NULL ? put_es256(key, signed_text, out) :
				   put_hs256(secret, signed_text, out);
		buf_put_str(out, "\"}");
	}
	buf_fini(&text);
	return rc == ERR_OK ? out->failed : rc;
}

static void put_member(struct json_writer *w, const char *key, const char *value)
{
	json_put_key(w, key);
	json_put_text(w, span_str(value));
}

enum err jws_put(const struct jws_request *request, struct buf *out)
{
	struct json_writer w;
	struct buf header;
	enum err rc = ERR_OK;

	buf_init(&header, JWS_PART_MAX);
	json_writer_init(&w, &header);
	json_put_open(&w);
	put_member(&w, "alg", "ES256");
	if (request->kid != NULL) {
		put_member(&w, "kid", request->kid);
	} else {
		json_put_key(&w, "jwk");
		rc = jws_put_jwk(request->key, &header);
		w.wants_comma = true;
	}
	put_member(&w, "nonce", request->nonce);
	put_member(&w, "url", request->url);
	json_put_close(&w);
	if (rc == ERR_OK)
		rc = header.failed;
	if (rc == ERR_OK)
		rc = put_flattened(request->key, span_of(NULL, 0), buf_span(&header),
			request->payload, out);
	buf_fini(&header);
	return rc;
}

enum err jws_put_binding(EVP_PKEY *key, const char *kid, struct span secret,
	const char *url, struct buf *out)
{
	struct json_writer w;
	struct buf header, jwk;
	enum err rc;

	buf_init(&header, JWS_PART_MAX);
	buf_init(&jwk, JWK_MAX);
	json_writer_init(&w, &header);
	json_put_open(&w);
	put_member(&w, "alg", "HS256");
	put_member(&w, "kid", kid);
	put_member(&w, "url", url);
	json_put_close(&w);
	rc = jws_put_jwk(key, &jwk);
	if (rc == ERR_OK)
		rc = header.failed;
	if (rc == ERR_OK)
		rc = put_flattened(NULL, secret, buf_span(&header), buf_span(&jwk), out);
	buf_fini(&header);
	buf_fini(&jwk);
	return rc;
}
