/*
 * Access tokens. What begins with '{' is taken as claims, and signed, for a signature
 * that is right is not found by chance.
 */
#include <stdlib.h>

#include "crypto/hash.h"
#include "text/base64.h"
#include "tunnel/portal/access_token.h"

#define NOW 1780315200

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t secret[K1_SECRET_BYTES] = { 1 };

static void put_part(struct buf *out, struct span part)
{
	char text[BASE64_TEXT_SIZE(ACCESS_TOKEN_MAX)];

	base64_encode(BASE64_URL, part, text);
	buf_put_str(out, text);
}

static void print_signed(struct span claims, struct buf *out)
{
	uint8_t digest[HASH_SHA256_BYTES];
	struct k1_signature sig;

	put_part(out, span_str("{\"alg\":\"ES256K\"}"));
	buf_put_str(out, ".");
	put_part(out, claims);
	if (hash_sha256(buf_span(out), digest) != ERR_OK ||
		k1_sign(secret, digest, &sig) != ERR_OK)
		abort();
	buf_put_str(out, ".");
	put_part(out, span_of(sig.rs, sizeof(sig.rs)));
}

/* What is believed can be printed, and is believed again if it began when it was
 * issued. */
static void check(struct span text)
{
	struct access_check check = { .issuer = "https://a", .now_s = NOW };
	struct access_token token, again;
	struct k1_public key;
	struct buf out;
	struct why why = { "" };

	if (k1_derive_public(secret, &key) != ERR_OK)
		abort();
	check.key = &key;
	if (access_token_verify(text, &check, &token, &why) != ERR_OK) {
		if (why.text[0] == '\0')
			abort();
		return;
	}
	buf_init(&out, ACCESS_TOKEN_MAX);
	if (access_token_print(&token, secret, &out) != ERR_OK ||
		access_token_verify(buf_span(&out), &check, &again, NULL) != ERR_OK)
		abort();
	buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	struct buf text;

	check(in);
	if (size == 0 || size > ACCESS_TOKEN_MAX || data[0] != '{')
		return 0;
	buf_init(&text, 4 * ACCESS_TOKEN_MAX);
	print_signed(in, &text);
	check(buf_span(&text));
	buf_fini(&text);
	return 0;
}
