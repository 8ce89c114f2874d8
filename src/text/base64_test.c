/* Base64 and hex: known texts, every length there and back, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/base64.h"
#include "text/hex.h"

static const enum base64_form forms[] = { BASE64_PADDED, BASE64_UNPADDED, BASE64_URL };

static void test_the_standards_vectors_agree(void **state)
{
	static const struct {
		const char *bytes, *padded, *unpadded;
	} rows[] = {
		{ "", "", "" },
		{ "f", "Zg==", "Zg" },
		{ "fo", "Zm8=", "Zm8" },
		{ "foo", "Zm9v", "Zm9v" },
		{ "foob", "Zm9vYg==", "Zm9vYg" },
		{ "fooba", "Zm9vYmE=", "Zm9vYmE" },
		{ "foobar", "Zm9vYmFy", "Zm9vYmFy" },
	};
	char text[16];

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		struct span in = span_str(rows[i].bytes);

		base64_encode(BASE64_PADDED, in, text);
		assert_string_equal(text, rows[i].padded);
		base64_encode(BASE64_UNPADDED, in, text);
		assert_string_equal(text, rows[i].unpadded);
	}
}

static void test_every_length_is_decoded_again(void **state)
{
	uint8_t in[67], out[67];
	char text[BASE64_TEXT_SIZE(sizeof(in))];
	size_t n, chars;

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)(i * 151 + 7);
	for (size_t f = 0; f < mem_count(forms); f++)
		for (size_t len = 0; len <= sizeof(in); len++) {
			chars = base64_encode(forms[f], span_of(in, len), text);
			assert_int_equal(chars, strlen(text));
			assert_int_equal(base64_decode(forms[f], span_of(text, chars),
						 out, len, &n),
				ERR_OK);
			assert_int_equal(n, len);
			assert_memory_equal(in, out, len);
			if (len > 0)
				assert_int_equal(base64_decode(forms[f],
							 span_of(text, chars), out,
							 len - 1, &n),
					ERR_LIMIT);
		}
}

static void test_the_two_alphabets_do_not_mix(void **state)
{
	uint8_t out[8];
	size_t n;

	(void)state;
	assert_int_equal(base64_decode(BASE64_UNPADDED, span_str("+/+/"), out, 8, &n),
		ERR_OK);
	assert_int_equal(base64_decode(BASE64_URL, span_str("-_-_"), out, 8, &n), ERR_OK);
	assert_int_equal(base64_decode(BASE64_URL, span_str("+/+/"), out, 8, &n),
		ERR_SYNTAX);
	assert_int_equal(base64_decode(BASE64_PADDED, span_str("-_-_"), out, 8, &n),
		ERR_SYNTAX);
}

static void test_sloppy_base64_is_refused(void **state)
{
	static const struct {
		enum base64_form form;
		const char *text;
	} rows[] = {
		{ BASE64_PADDED, "Zg" },
		{ BASE64_PADDED, "Zg=" },
		{ BASE64_PADDED, "Zg===" },
		{ BASE64_PADDED, "Z===" },
		{ BASE64_PADDED, "====" },
		{ BASE64_PADDED, "Zg==Zg==" },
		{ BASE64_PADDED, "Zh==" },
		{ BASE64_PADDED, "Zm9v\n" },
		{ BASE64_PADDED, "Zm9=" },
		{ BASE64_PADDED, "Z=9v" },
		{ BASE64_UNPADDED, "Zg==" },
		{ BASE64_UNPADDED, "Z" },
		{ BASE64_UNPADDED, "Zh" },
		{ BASE64_URL, "Zg==" },
	};
	uint8_t out[16];
	size_t n = 99;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		assert_int_equal(base64_decode(rows[i].form, span_str(rows[i].text), out,
					 sizeof(out), &n),
			ERR_SYNTAX);
	assert_int_equal(n, 99);
}

static void test_hex_goes_both_ways(void **state)
{
	uint8_t out[4];
	char text[9];
	size_t n;

	(void)state;
	assert_int_equal(hex_decode(span_str("00fF7a"), out, sizeof(out), &n), ERR_OK);
	assert_int_equal(n, 3);
	assert_string_equal(hex_encode(span_of(out, n), text), "00ff7a");
	assert_int_equal(hex_decode(span_str("0"), out, sizeof(out), &n), ERR_SYNTAX);
	assert_int_equal(hex_decode(span_str("0g"), out, sizeof(out), &n), ERR_SYNTAX);
	assert_int_equal(hex_decode(span_str("0011223344"), out, sizeof(out), &n),
		ERR_LIMIT);
}

static void test_random_hex_has_all_its_digits_and_differs(void **state)
{
	char one[33], other[33];
	uint8_t out[16];
	size_t n = 0;

	(void)state;
	hex_random(16, one);
	hex_random(16, other);
	assert_int_equal(hex_decode(span_str(one), out, sizeof(out), &n), ERR_OK);
	assert_int_equal(n, 16);
	assert_string_not_equal(one, other);
	assert_string_not_equal(one + 16, other + 16);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_the_standards_vectors_agree),
		cmocka_unit_test(test_every_length_is_decoded_again),
		cmocka_unit_test(test_the_two_alphabets_do_not_mix),
		cmocka_unit_test(test_sloppy_base64_is_refused),
		cmocka_unit_test(test_hex_goes_both_ways),
		cmocka_unit_test(test_random_hex_has_all_its_digits_and_differs),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
