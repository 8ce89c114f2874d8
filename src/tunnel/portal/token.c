/* Derived tokens. */
#include "tunnel/portal/token.h"

#include "crypto/hash.h"

#define INPUT_MAX 8192

/* Each part goes with its length, so that no two lists of parts look the same. */
static enum err print_input(const struct identity *id, const char *const *parts,
	size_t count, struct buf *out)
{
	char key[IDENTITY_KEY_SIZE];

	buf_printf(out, "Portal identity token v1\n%s",
		identity_key_print(id->name, id->address, key));
	for (size_t i = 0; i < count; i++) {
		struct span part = names_trim(span_str(parts[i]));

		buf_printf(out, "\n%zu:", part.n);
		buf_put_span(out, part);
	}
	return out->failed;
}

enum err token_derive(const struct identity *id, const char *const *parts, size_t count,
	char out[TOKEN_TEXT_SIZE])
{
	uint8_t mac[HASH_SHA256_BYTES];
	struct buf input;
	enum err rc;

	buf_init(&input, INPUT_MAX);
	rc = print_input(id, parts, count, &input);
	if (rc == ERR_OK)
		rc = hash_hmac_sha256(span_str(id->token_secret), buf_span(&input), mac);
	if (rc == ERR_OK)
		base64_encode(BASE64_URL, span_of(mac, sizeof(mac)), out);
	buf_fini(&input);
	return rc;
}
