/* Addresses: the standard's examples, and a key's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/hex.h"
#include "tunnel/portal/address.h"

static void test_the_case_is_a_checksum(void **state)
{
	static const char *const rows[] = {
		"0x52908400098527886E0F7030069857D2E4169EE7",
		"0x8617E340B3D01FA5F11F306F4090FD50E238070D",
		"0xde709f2102306220921060314715629080e2fb77",
		"0x27b1fdb04752bbc536007a920d24acb045561c26",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
		"0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
		"0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
		"0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
	};
	char text[ADDRESS_TEXT_SIZE], out[ADDRESS_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(address_parse(span_str(rows[i]), out), ERR_OK);
		assert_string_equal(out, rows[i]);
		for (size_t k = 0; k < sizeof(text); k++)
			text[k] = (char)(rows[i][k] >= 'A' && rows[i][k] <= 'F' ?
					rows[i][k] + 32 :
					rows[i][k]);
		assert_int_equal(address_parse(span_str(text), out), ERR_OK);
		assert_string_equal(out, rows[i]);
		for (size_t k = 1; k < sizeof(text); k++)
			if (text[k] >= 'a')
				text[k] = (char)(text[k] - 32);
		assert_int_equal(address_parse(span_str(text), out), ERR_OK);
		assert_string_equal(out, rows[i]);
	}
}

static void test_other_text_is_refused(void **state)
{
	static const char *const rows[] = { "", "0x",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeD",
		"5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed0",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAeg",
		" 0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAe" };
	char out[ADDRESS_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		assert_int_equal(address_parse(span_str(rows[i]), out), ERR_SYNTAX);
}

static void test_a_key_has_an_address(void **state)
{
	uint8_t secret[K1_SECRET_BYTES];
	char text[ADDRESS_TEXT_SIZE];
	struct k1_public key;
	size_t n;

	(void)state;
	assert_int_equal(
		hex_decode(span_str("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efc"
				    "ae784d7bf4f2ff80"),
			secret, sizeof(secret), &n),
		ERR_OK);
	assert_int_equal(k1_derive_public(secret, &key), ERR_OK);
	assert_string_equal(address_of_key(&key, text),
		"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_case_is_a_checksum),
		cmocka_unit_test(test_other_text_is_refused),
		cmocka_unit_test(test_a_key_has_an_address),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
