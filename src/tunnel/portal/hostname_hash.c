/* Hashes of hosts. */
#include "tunnel/portal/hostname_hash.h"

#include "crypto/hash.h"

enum err hostname_hash(struct span host, char out[HOSTNAME_HASH_SIZE], struct why *why)
{
	/* its terminator is hashed, too */
	static const char purpose[] = "portal hostname hash v1";
	char input[sizeof(purpose) + NAMES_HOST_MAX + 1];
	char *name = input + sizeof(purpose);
	uint8_t digest[HASH_SHA256_BYTES];
	enum err rc;

	memcpy(input, purpose, sizeof(purpose));
	rc = names_parse_host(host, name, why);
	if (rc != ERR_OK)
		return rc;
	rc = hash_sha256(span_of(input, sizeof(purpose) + strlen(name)), digest);
	if (rc != ERR_OK)
		return err_set(why, rc, "hashing the host: %s", err_name(rc));
	base64_encode(BASE64_URL, span_of(digest, sizeof(digest)), out);
	return ERR_OK;
}
