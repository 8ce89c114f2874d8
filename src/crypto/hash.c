/* Digests, over OpenSSL. */
#include "crypto/hash.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "base/mem.h"

static enum err hash_digest(const EVP_MD *md, struct span in, uint8_t *out)
{
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned n;

	if (EVP_Digest(in.p, in.n, digest, &n, md, NULL) != 1)
		return ERR_CRYPTO;
	memcpy(out, digest, n);
	mem_wipe(digest, sizeof(digest)); /* some are secrets */
	return ERR_OK;
}

enum err hash_md5(struct span in, uint8_t out[HASH_MD5_BYTES])
{
	return hash_digest(EVP_md5(), in, out);
}

enum err hash_sha1(struct span in, uint8_t out[HASH_SHA1_BYTES])
{
	return hash_digest(EVP_sha1(), in, out);
}

enum err hash_sha256(struct span in, uint8_t out[HASH_SHA256_BYTES])
{
	return hash_digest(EVP_sha256(), in, out);
}

enum err hash_sha512(struct span in, uint8_t out[HASH_SHA512_BYTES])
{
	return hash_digest(EVP_sha512(), in, out);
}

enum err hash_hmac_sha256(struct span key, struct span in, uint8_t out[HASH_SHA256_BYTES])
{
	uint8_t mac[HASH_SHA256_BYTES];

	if (key.n > INT_MAX)
		return ERR_LIMIT;
	if (in.p == NULL)
		in = span_str(""); /* to the library, NULL is a mistake */
	if (HMAC(EVP_sha256(), key.p, (int)key.n, in.p, in.n, mac, NULL) == NULL)
		return ERR_CRYPTO;
	memcpy(out, mac, sizeof(mac));
	mem_wipe(mac, sizeof(mac));
	return ERR_OK;
}
