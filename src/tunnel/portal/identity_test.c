/* Identities: the known file there and back, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/hex.h"
#include "tunnel/portal/identity.h"
#include "tunnel/portal/identity_vector_test.h"

#define KEY "\"private_key\":\"" VECTOR_SECRET "\""

static void print_equals(const struct identity *id, const char *text)
{
	struct buf out;

	buf_init(&out, IDENTITY_FILE_MAX);
	assert_int_equal(identity_print(id, &out), ERR_OK);
	assert_true(span_is(buf_span(&out), text));
	buf_fini(&out);
}

static void test_the_known_file_is_written_and_read(void **state)
{
	struct identity id;
	char key[IDENTITY_KEY_SIZE];

	(void)state;
	assert_int_equal(identity_parse(IDENTITY_CLIENT, span_str(VECTOR_FILE), &id,
				 NULL),
		ERR_OK);
	assert_string_equal(id.name, VECTOR_NAME);
	assert_string_equal(id.address, VECTOR_ADDRESS);
	assert_string_equal(id.token_secret, VECTOR_TOKEN_SECRET);
	assert_string_equal(identity_key_print(id.name, id.address, key),
		"demo-app:0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266");
	assert_false(identity_complete(&id));
	print_equals(&id, VECTOR_FILE);
	identity_wipe(&id);
}

static void test_a_private_key_is_enough(void **state)
{
	struct identity id;

	(void)state;
	assert_int_equal(identity_parse(IDENTITY_CLIENT,
				 span_str("{\"private_key\":\"0X" VECTOR_SECRET
					  "\",\"more\":1}"),
				 &id, NULL),
		ERR_OK);
	assert_string_equal(id.address, VECTOR_ADDRESS);
	assert_string_equal(id.name, "");
	assert_true(identity_complete(&id));
	assert_true(strlen(id.name) > 0);
	assert_int_equal(strlen(id.token_secret), 43);
	assert_string_equal(id.ech_seed, "");
	assert_false(identity_complete(&id));
}

static void test_a_relay_has_a_host_and_more_secrets(void **state)
{
	static const char text[] =
		"{\n"
		"  \"name\": \"portal.example.com\",\n"
		"  \"address\": \"" VECTOR_ADDRESS "\",\n"
		"  \"public_key\": \"" VECTOR_PUBLIC "\",\n"
		"  \"private_key\": \"" VECTOR_SECRET "\",\n"
		"  \"token_secret\": \"" VECTOR_TOKEN_SECRET "\",\n"
		"  \"wireguard_public_key\": \"B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=\",\n"
		"  \"wireguard_private_key\": \"AAIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eH2A=\",\n"
		"  \"encrypted_client_hello_seed\": \"0123456789abcdef\"\n"
		"}\n";
	struct identity id;

	(void)state;
	assert_int_equal(identity_parse(IDENTITY_RELAY, span_str(text), &id, NULL),
		ERR_OK);
	assert_string_equal(id.name, "portal.example.com");
	print_equals(&id, text);
	assert_int_equal(identity_parse(IDENTITY_RELAY, span_str("{" KEY "}"), &id, NULL),
		ERR_OK);
	assert_true(identity_complete(&id));
	assert_int_equal(strlen(id.ech_seed), 16);
	assert_string_equal(id.name, "");
}

static void test_what_disagrees_or_is_no_key_is_refused(void **state)
{
	static const char *const rows[] = {
		"",
		"[]",
		"{}",
		"{\"private_key\":\"\"}",
		"{\"private_key\":7}",
		"{\"private_key\":\"ac\"}",
		"{\"private_key\":\"" VECTOR_SECRET "00\"}",
		"{\"private_key\":\"zz0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2"
		"ff80\"}",
		"{\"private_key\":\"00000000000000000000000000000000000000000000000000000000000000"
		"00\"}",
		"{\"private_key\":\"fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd03641"
		"41\"}",
		"{" KEY
		",\"public_key\":\"028318535b54105d4a7aae60c08fc45f9687181b4fdfc625bd1a753f"
		"a7397fed75\"}",
		"{" KEY ",\"address\":\"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92267\"}",
		"{" KEY ",\"name\":\"!!\"}",
	};
	struct identity id;
	struct why why;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		why.text[0] = '\0';
		assert_int_not_equal(identity_parse(IDENTITY_CLIENT, span_str(rows[i]),
					     &id, &why),
			ERR_OK);
		assert_true(why.text[0] != '\0');
		assert_null(strstr(why.text, "ac0974"));
	}
}

static void test_a_relays_secrets_are_checked(void **state)
{
	static const char *const rows[] = {
		"{" KEY ",\"encrypted_client_hello_seed\":\"0123\"}",
		"{" KEY ",\"encrypted_client_hello_seed\":\"0123456789abcdex\"}",
		"{" KEY
		",\"wireguard_public_key\":\"B6N8vBQgk8i3VdwbEOhstCY3StFqqFPtC9/AsrhtHHw=\"}",
		"{" KEY
		",\"wireguard_public_key\":\"AAAA\",\"wireguard_private_key\":\"AAAA\"}",
		"{" KEY ",\"name\":\"a b\"}",
	};
	struct identity id;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		assert_int_equal(identity_parse(IDENTITY_RELAY, span_str(rows[i]), &id,
					 NULL),
			ERR_SYNTAX);
}

static void test_generated_identities_differ_and_come_back(void **state)
{
	struct identity a, b, again;
	struct buf out;

	(void)state;
	identity_generate(IDENTITY_CLIENT, &a);
	identity_generate(IDENTITY_CLIENT, &b);
	assert_string_not_equal(a.address, b.address);
	assert_int_equal(identity_set_name(&a, span_str("My App"), NULL), ERR_OK);
	assert_string_equal(a.name, "my-app");
	assert_true(identity_complete(&a));
	buf_init(&out, IDENTITY_FILE_MAX);
	assert_int_equal(identity_print(&a, &out), ERR_OK);
	assert_int_equal(identity_parse(IDENTITY_CLIENT, buf_span(&out), &again, NULL),
		ERR_OK);
	assert_memory_equal(&a, &again, sizeof(a));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_known_file_is_written_and_read),
		cmocka_unit_test(test_a_private_key_is_enough),
		cmocka_unit_test(test_a_relay_has_a_host_and_more_secrets),
		cmocka_unit_test(test_what_disagrees_or_is_no_key_is_refused),
		cmocka_unit_test(test_a_relays_secrets_are_checked),
		cmocka_unit_test(test_generated_identities_differ_and_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
