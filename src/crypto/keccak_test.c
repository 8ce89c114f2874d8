/* Keccak-256: digests that are known, around the edges of a block, and in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "crypto/keccak.h"
#include "text/hex.h"

static void test_known_digests_are_computed(void **state)
{
	static const struct {
		const char *text, *digest;
	} rows[] = {
		{ "", "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470" },
		{ "abc",
			"4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45" },
		{ "The quick brown fox jumps over the lazy dog",
			"4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15" },
	};
	uint8_t digest[KECCAK_BYTES];
	char text[2 * KECCAK_BYTES + 1];

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		keccak_256(span_str(rows[i].text), digest);
		assert_string_equal(hex_encode(span_of(digest, sizeof(digest)), text),
			rows[i].digest);
	}
}

/* Lengths of one byte less than a block, a block, one more, and two blocks. */
static void test_messages_at_the_edges_of_a_block_are_digested(void **state)
{
	static const struct {
		size_t n;
		const char *digest;
	} rows[] = {
		{ 135, "34367dc248bbd832f4e3e69dfaac2f92638bd0bbd18f2912ba4ef454919cf446" },
		{ 136, "a6c4d403279fe3e0af03729caada8374b5ca54d8065329a3ebcaeb4b60aa386e" },
		{ 137, "d869f639c7046b4929fc92a4d988a8b22c55fbadb802c0c66ebcd484f1915f39" },
		{ 272, "cf7fcd4f705ee749930d19ca84561a9bf62516bd90a471545fa2f49fdc7e63c8" },
	};
	uint8_t in[2 * KECCAK_RATE], digest[KECCAK_BYTES];
	char text[2 * KECCAK_BYTES + 1];

	(void)state;
	memset(in, 'a', sizeof(in));
	for (size_t i = 0; i < mem_count(rows); i++) {
		keccak_256(span_of(in, rows[i].n), digest);
		assert_string_equal(hex_encode(span_of(digest, sizeof(digest)), text),
			rows[i].digest);
	}
}

static void test_pieces_make_the_same_digest(void **state)
{
	uint8_t in[300], whole[KECCAK_BYTES], pieces[KECCAK_BYTES];
	struct keccak k;

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 7);
	keccak_256(span_of(in, sizeof(in)), whole);
	for (size_t cut = 0; cut <= sizeof(in); cut++) {
		keccak_init(&k);
		keccak_put(&k, span_of(in, cut));
		keccak_put(&k, span_of(in + cut, sizeof(in) - cut));
		keccak_finish(&k, pieces);
		assert_memory_equal(pieces, whole, sizeof(whole));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_digests_are_computed),
		cmocka_unit_test(test_messages_at_the_edges_of_a_block_are_digested),
		cmocka_unit_test(test_pieces_make_the_same_digest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
