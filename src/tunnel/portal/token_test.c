/* What comes from an identity: tokens, hashes of hosts, route hosts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tunnel/portal/identity_vector_test.h"
#include "tunnel/portal/routehost.h"
#include "tunnel/portal/token.h"

#define ROOT "portal.example.com"
#define HOST "demo-app.portal.example.com"
#define ROUTE "ech-t7c4qyj4yrofp6woiuuwtyq2e2gaqgyh.portal.example.com"

static struct identity known_identity(void)
{
	struct identity id;

	assert_int_equal(identity_parse(IDENTITY_CLIENT, span_str(VECTOR_FILE), &id,
				 NULL),
		ERR_OK);
	return id;
}

static void test_the_known_tokens(void **state)
{
	static const struct {
		const char *parts[4];
		size_t count;
		const char *token;
	} rows[] = {
		{ { "ech-route", HOST, ROOT }, 3,
			"LcpdJecZcXQYj45YBEwRl9b0ODmL3MJUEpXYdKZ5Fs0" },
		{ { " ech-route\n", "\t" HOST, ROOT " " }, 3,
			"LcpdJecZcXQYj45YBEwRl9b0ODmL3MJUEpXYdKZ5Fs0" },
		{ { "tenant-ech", HOST, ROUTE }, 3,
			"dnRt2FNtbk7g89c5BkOZOh0aj1W5x_ESSTAjwShV3W4" },
	};
	struct identity id = known_identity();
	char token[TOKEN_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(token_derive(&id, rows[i].parts, rows[i].count, token),
			ERR_OK);
		assert_string_equal(token, rows[i].token);
	}
}

static void test_the_known_token_of_a_hop(void **state)
{
	static const char *const parts[] = { "hop-token", "demo-app.entry.example.com",
		"0", "https://entry.example.com", "https://exit.example.com" };
	struct identity id = known_identity();
	char token[TOKEN_TEXT_SIZE];

	(void)state;
	assert_int_equal(token_derive(&id, parts, mem_count(parts), token), ERR_OK);
	assert_string_equal(token, "1ddATLvn1e2RWr5JFf0cXRs4Jq-vb74C05jfWBfpIsA");
}

static void test_tokens_differ_by_every_part(void **state)
{
	static const char *const ab[] = { "a", "b" }, *const both[] = { "a\n1:b" };
	struct identity id = known_identity(), other = id;
	char first[TOKEN_TEXT_SIZE], second[TOKEN_TEXT_SIZE];

	(void)state;
	assert_int_equal(token_derive(&id, ab, 2, first), ERR_OK);
	assert_int_equal(token_derive(&id, both, 1, second), ERR_OK);
	assert_string_not_equal(first, second);
	other.name[0] = 'x';
	assert_int_equal(token_derive(&other, ab, 2, second), ERR_OK);
	assert_string_not_equal(first, second);
	other = id;
	other.token_secret[0] = 'x';
	assert_int_equal(token_derive(&other, ab, 2, second), ERR_OK);
	assert_string_not_equal(first, second);
}

static void test_the_known_hashes_of_hosts(void **state)
{
	static const char *const rows[][2] = {
		{ HOST, "7lv6JrpCZLWgol62DmalYrX1AIv2q-ehEV7l-jU-OFE" },
		{ " Demo-App.Portal.example.com. ",
			"7lv6JrpCZLWgol62DmalYrX1AIv2q-ehEV7l-jU-OFE" },
		{ "demo-app.entry.example.com",
			"vIdHj0l7Azbf88V4RdmZFxd0XTKGXy7i1Pnq6Oc20ww" },
	};
	char hash[ROUTEHOST_HASH_SIZE];

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(routehost_hash(span_str(rows[i][0]), hash, NULL),
			ERR_OK);
		assert_string_equal(hash, rows[i][1]);
	}
	assert_int_equal(routehost_hash(span_str(""), hash, NULL), ERR_SYNTAX);
}

static void test_the_known_route_hosts(void **state)
{
	struct identity id = known_identity();
	char host[NAMES_HOST_MAX + 1], root[NAMES_HOST_MAX + 1];

	(void)state;
	assert_int_equal(routehost_make(&id, HOST, ROOT, host, NULL), ERR_OK);
	assert_string_equal(host, ROUTE);
	assert_int_equal(routehost_make(&id, "demo-app.entry.example.com",
				 "entry.example.com", host, NULL),
		ERR_OK);
	assert_string_equal(host,
		"ech-c3jcv6vfa2s35i4biw3znchbi5lxfkiz.entry.example.com");
	memset(root, 'a', sizeof(root));
	root[217] = '\0';
	assert_int_equal(routehost_make(&id, HOST, root, host, NULL), ERR_LIMIT);
	root[216] = '\0';
	assert_int_equal(routehost_make(&id, HOST, root, host, NULL), ERR_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_known_tokens),
		cmocka_unit_test(test_the_known_token_of_a_hop),
		cmocka_unit_test(test_tokens_differ_by_every_part),
		cmocka_unit_test(test_the_known_hashes_of_hosts),
		cmocka_unit_test(test_the_known_route_hosts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
