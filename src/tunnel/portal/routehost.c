/* Hashes of hosts, and route hosts. */
#include "tunnel/portal/routehost.h"

#include <stdio.h>

#include "crypto/hash.h"
#include "tunnel/portal/token.h"

#define LABEL_BYTES 20 /* of the digest, four groups of 40 bits */
#define LABEL_CHARS 32

enum err routehost_hash(struct span host, char out[ROUTEHOST_HASH_SIZE], struct why *why)
{
	static const char purpose[] =
		"portal hostname hash v1"; /* its terminator counts */
	char input[sizeof(purpose) + NAMES_HOST_MAX + 1];
	uint8_t digest[HASH_SHA256_BYTES];
	enum err rc;

	memcpy(input, purpose, sizeof(purpose));
	rc = names_parse_host(host, input + sizeof(purpose), why);
	if (rc != ERR_OK)
		return rc;
	rc = hash_sha256(span_of(input,
				 sizeof(purpose) + strlen(input + sizeof(purpose))),
		digest);
	if (rc != ERR_OK)
		return err_set(why, rc, "the host cannot be hashed");
	base64_encode(BASE64_URL, span_of(digest, sizeof(digest)), out);
	return ERR_OK;
}

/* Base32, RFC 4648, in lower case: five bytes are eight characters. */
static void print_label(const uint8_t bytes[LABEL_BYTES], char to[LABEL_CHARS + 1])
{
	static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

	for (size_t i = 0; i < LABEL_CHARS; i++) {
		size_t bit = 5 * i;
		unsigned pair = (unsigned)bytes[bit / 8] << 8;

		if (bit / 8 + 1 < LABEL_BYTES)
			pair |= bytes[bit / 8 + 1];
		to[i] = alphabet[pair >> (11 - bit % 8) & 31];
	}
	to[LABEL_CHARS] = '\0';
}

enum err routehost_make(const struct identity *id, const char *public_host,
	const char *root, char out[NAMES_HOST_MAX + 1], struct why *why)
{
	const char *const parts[] = { "ech-route", public_host, root };
	char token[TOKEN_TEXT_SIZE], label[LABEL_CHARS + 1];
	uint8_t digest[HASH_SHA256_BYTES];
	enum err rc;

	if (strlen("ech-") + LABEL_CHARS + 1 + strlen(root) > NAMES_HOST_MAX)
		return err_set(why, ERR_LIMIT, "the relay's host name is too long");
	rc = token_derive(id, parts, 3, token);
	if (rc == ERR_OK)
		rc = hash_sha256(span_str(token), digest);
	if (rc != ERR_OK)
		return err_set(why, rc, "no route host can be made: %s", err_name(rc));
	print_label(digest, label);
	snprintf(out, NAMES_HOST_MAX + 1, "ech-%s.%s", label, root);
	return ERR_OK;
}
