/* SIWE: the worked vector, refused texts, and the times when a sign-in is valid. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/hex.h"
#include "tunnel/portal/siwe.h"

#define ADDRESS "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
#define HEAD \
	"portal.example.com wants you to sign in with your Ethereum account:\n" ADDRESS \
	"\n\n"
#define STATEMENT "Register a portal lease\n"
#define BODY \
	"\nURI: https://portal.example.com/sdk/register\nVersion: 1\nChain ID: 1\n" \
	"Nonce: AbCdEfGh12345678\nIssued At: 2026-06-01T12:00:00Z"
#define TAIL "\nExpiration Time: 2026-06-01T12:02:00Z\nRequest ID: rch_0011223344556677"

static const char message[] = HEAD STATEMENT BODY TAIL;
static const char signature[] =
	"0x25f43ccdf524c3e904f38fe56daaa02559dc827378b394a3eb64df166f14f35e"
	"76ebabca69dcd5b7edb978177013a339aa23a34b84905c04c6038c29e23e685c1c";
static const struct timestamp issued_at = { .s = 1780315200 };
static const struct timestamp expires_at = { .s = 1780315320 };

static void known_secret(uint8_t secret[K1_SECRET_BYTES])
{
	size_t n;

	assert_int_equal(
		hex_decode(span_str("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efc"
				    "ae784d7bf4f2ff80"),
			secret, K1_SECRET_BYTES, &n),
		ERR_OK);
}

static struct siwe known_siwe(void)
{
	return (struct siwe){
		.domain = span_str("portal.example.com"),
		.address = ADDRESS,
		.statement = span_str("Register a portal lease"),
		.uri = span_str("https://portal.example.com/sdk/register"),
		.nonce = span_str("AbCdEfGh12345678"),
		.request_id = span_str("rch_0011223344556677"),
		.issued_at = issued_at,
		.expires_at = expires_at,
		.has_expiry = true,
	};
}

static void test_the_vector_is_written_digested_and_signed(void **state)
{
	struct siwe m = known_siwe();
	uint8_t secret[K1_SECRET_BYTES], digest[K1_DIGEST_BYTES];
	char text[2 * K1_DIGEST_BYTES + 1], signed_text[SIWE_SIGNATURE_SIZE];
	struct buf out;

	(void)state;
	buf_init(&out, SIWE_TEXT_MAX);
	assert_int_equal(siwe_print(&m, &out), ERR_OK);
	assert_int_equal(out.n, 331);
	assert_true(span_is(buf_span(&out), message));
	siwe_digest(buf_span(&out), digest);
	assert_string_equal(hex_encode(span_of(digest, sizeof(digest)), text),
		"2a393ec7905ba9c5afd4e6bc97ee03fa6164977352e8d9f2a57b8e0d5cd05e84");
	known_secret(secret);
	assert_int_equal(siwe_sign(buf_span(&out), secret, signed_text), ERR_OK);
	assert_string_equal(signed_text, signature);
	buf_fini(&out);
}

static void test_the_vector_is_read(void **state)
{
	struct siwe m;

	(void)state;
	assert_int_equal(siwe_parse(span_str(message), &m, NULL), ERR_OK);
	assert_true(span_is(m.domain, "portal.example.com"));
	assert_string_equal(m.address, ADDRESS);
	assert_true(span_is(m.statement, "Register a portal lease"));
	assert_true(span_is(m.uri, "https://portal.example.com/sdk/register"));
	assert_true(span_is(m.nonce, "AbCdEfGh12345678"));
	assert_true(span_is(m.request_id, "rch_0011223344556677"));
	assert_true(m.issued_at.s == issued_at.s && m.expires_at.s == expires_at.s);
	assert_true(m.has_expiry && !m.has_not_before);
}

static void test_some_parts_may_be_missing(void **state)
{
	static const char *const rows[] = {
		HEAD BODY,
		HEAD STATEMENT BODY,
		HEAD STATEMENT BODY "\nNot Before: 2026-06-01T12:00:01Z",
		HEAD STATEMENT BODY "\nExpiration Time: 2026-06-01T12:02:00.5Z\n"
				    "Not Before: 2026-06-01T12:00:01Z\nRequest ID: x",
	};
	struct siwe m;
	struct buf out;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(siwe_parse(span_str(rows[i]), &m, NULL), ERR_OK);
		buf_init(&out, SIWE_TEXT_MAX);
		assert_int_equal(siwe_print(&m, &out), ERR_OK);
		assert_true(span_is(buf_span(&out), rows[i]));
		buf_fini(&out);
	}
}

static void test_other_texts_are_refused(void **state)
{
	static const char *const rows[] = { "", "\n", HEAD STATEMENT BODY TAIL "\n",
		HEAD STATEMENT BODY "\nResources:\n- https://x",
		HEAD STATEMENT BODY "\nRequest ID: ",
		HEAD STATEMENT BODY "\nExpiration Time: tomorrow",
		HEAD STATEMENT STATEMENT BODY, HEAD "\n" STATEMENT BODY,
		"a b wants you to sign in with your Ethereum account:\n" ADDRESS
		"\n\n" BODY,
		" wants you to sign in with your Ethereum account:\n" ADDRESS "\n\n" BODY,
		"x wants you to sign in with your Ethereum account:\n"
		"0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266\n\n" BODY,
		HEAD "\nURI: https://x\nVersion: 2\nChain ID: 1\nNonce: AbCdEfGh\n"
		     "Issued At: 2026-06-01T12:00:00Z",
		HEAD "\nURI: https://x\nVersion: 1\nChain ID: 10\nNonce: AbCdEfGh\n"
		     "Issued At: 2026-06-01T12:00:00Z",
		HEAD "\nURI: https://x\nVersion: 1\nChain ID: 1\nNonce: short\n"
		     "Issued At: 2026-06-01T12:00:00Z",
		HEAD "\nURI: \nVersion: 1\nChain ID: 1\nNonce: AbCdEfGh\n"
		     "Issued At: 2026-06-01T12:00:00Z" };
	struct siwe m;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		assert_int_equal(siwe_parse(span_str(rows[i]), &m, NULL), ERR_SYNTAX);
}

/* Cut short it is still a text at the end of some lines, but never the same one. */
static void test_every_prefix_is_safe(void **state)
{
	struct siwe m;

	(void)state;
	for (size_t n = 0; n < strlen(message); n++)
		if (siwe_parse(span_of(message, n), &m, NULL) == ERR_OK)
			assert_true(n >= strlen(HEAD STATEMENT BODY));
}

static void test_no_part_can_forge_a_line(void **state)
{
	struct siwe m = known_siwe();
	struct span *parts[] = { &m.domain, &m.statement, &m.uri, &m.nonce,
		&m.request_id };
	struct buf out;

	(void)state;
	buf_init(&out, SIWE_TEXT_MAX);
	for (size_t i = 0; i < mem_count(parts); i++) {
		struct span kept = *parts[i];

		*parts[i] = span_str("abcdefgh\nURI");
		assert_int_equal(siwe_print(&m, &out), ERR_SYNTAX);
		*parts[i] = kept;
	}
	assert_int_equal(out.n, 0);
	buf_fini(&out);
}

static enum err verify(const char *text, const char *sig, struct timestamp now)
{
	const struct siwe_response answer = { .text = span_str(text),
		.signature = span_str(sig) };
	char who[ADDRESS_TEXT_SIZE];
	struct why why = { "" };
	enum err rc = siwe_verify(span_str(message), &answer, now, who, &why);

	if (rc == ERR_OK)
		assert_string_equal(who, ADDRESS);
	else
		assert_true(why.text[0] != '\0');
	return rc;
}

static void test_the_answer_is_verified(void **state)
{
	struct timestamp late = { .s = expires_at.s, .ns = 1 };
	char padded[sizeof(message) + 8];

	(void)state;
	snprintf(padded, sizeof(padded), "\n %s \r\n", message);
	assert_int_equal(verify(message, signature, issued_at), ERR_OK);
	assert_int_equal(verify(padded, signature, issued_at), ERR_OK);
	assert_int_equal(verify(message, signature, expires_at), ERR_OK);
	assert_int_equal(verify(message, signature, late), ERR_TIMEOUT);
	assert_int_equal(verify(HEAD STATEMENT BODY, signature, issued_at), ERR_PROTO);
	assert_int_equal(verify("", signature, issued_at), ERR_PROTO);
}

static void test_a_text_for_later_is_too_early(void **state)
{
	static const char text[] = HEAD BODY "\nNot Before: 2026-06-01T12:00:01Z";
	struct siwe_response answer = { .text = span_str(text) };
	struct timestamp later = { .s = issued_at.s + 1 };
	uint8_t secret[K1_SECRET_BYTES];
	char sig[SIWE_SIGNATURE_SIZE];

	(void)state;
	known_secret(secret);
	assert_int_equal(siwe_sign(span_str(text), secret, sig), ERR_OK);
	answer.signature = span_str(sig);
	assert_int_equal(siwe_verify(span_str(text), &answer, issued_at, NULL, NULL),
		ERR_TIMEOUT);
	assert_int_equal(siwe_verify(span_str(text), &answer, later, NULL, NULL), ERR_OK);
}

static void test_signatures_have_four_last_bytes(void **state)
{
	char sig[sizeof(signature)];

	(void)state;
	memcpy(sig, signature, sizeof(sig));
	for (unsigned v = 0; v < 256; v++) {
		snprintf(sig + SIWE_SIGNATURE_SIZE - 3, 3, "%02x", v);
		assert_int_equal(verify(message, sig, issued_at),
			v == 1 || v == 28 ? ERR_OK : ERR_DENIED);
	}
}

static void test_bad_signatures_are_refused(void **state)
{
	char longer[sizeof(signature) + 2];
	uint8_t secret[K1_SECRET_BYTES];
	char sig[SIWE_SIGNATURE_SIZE];

	(void)state;
	for (size_t n = 0; n < strlen(signature); n++) {
		snprintf(longer, sizeof(longer), "%.*s", (int)n, signature);
		assert_int_equal(verify(message, longer, issued_at), ERR_DENIED);
	}
	snprintf(longer, sizeof(longer), "%s00", signature);
	assert_int_equal(verify(message, longer, issued_at), ERR_DENIED);
	assert_int_equal(verify(message, signature + 2, issued_at), ERR_DENIED);
	known_secret(secret);
	secret[0] ^= 1;
	assert_int_equal(siwe_sign(span_str(message), secret, sig), ERR_OK);
	assert_int_equal(verify(message, sig, issued_at), ERR_DENIED);
}

static void test_nonces_are_fit_for_a_text(void **state)
{
	char nonce[SIWE_NONCE_CHARS + 1], other[SIWE_NONCE_CHARS + 1];
	struct siwe m = known_siwe();
	struct buf out;

	(void)state;
	siwe_make_nonce(nonce);
	siwe_make_nonce(other);
	assert_int_equal(strlen(nonce), SIWE_NONCE_CHARS);
	assert_string_not_equal(nonce, other);
	m.nonce = span_str(nonce);
	buf_init(&out, SIWE_TEXT_MAX);
	assert_int_equal(siwe_print(&m, &out), ERR_OK);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_vector_is_written_digested_and_signed),
		cmocka_unit_test(test_the_vector_is_read),
		cmocka_unit_test(test_some_parts_may_be_missing),
		cmocka_unit_test(test_other_texts_are_refused),
		cmocka_unit_test(test_every_prefix_is_safe),
		cmocka_unit_test(test_no_part_can_forge_a_line),
		cmocka_unit_test(test_the_answer_is_verified),
		cmocka_unit_test(test_a_text_for_later_is_too_early),
		cmocka_unit_test(test_signatures_have_four_last_bytes),
		cmocka_unit_test(test_bad_signatures_are_refused),
		cmocka_unit_test(test_nonces_are_fit_for_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
