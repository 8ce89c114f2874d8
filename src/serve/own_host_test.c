/* Which host names are the relay's own, and which are names under it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "serve/own_host.h"

#define PUBLIC "relay.example.com"

static void test_the_api_answers_to_its_own_names(void **state)
{
	static const struct {
		const char *root, *host;
		bool is_own;
	} rows[] = {
		{ PUBLIC, PUBLIC, true },
		{ PUBLIC, "app." PUBLIC, false },
		{ PUBLIC, "example.com", false },
		{ PUBLIC, "localhost", false },
		{ PUBLIC, "127.0.0.1", false },
		{ PUBLIC, "", false },
		{ "relay.localhost", "relay.localhost", true },
		{ "relay.localhost", "localhost", true },
		{ "relay.localhost", "127.0.0.1", true },
		{ "relay.localhost", "127.8.9.1", true },
		{ "relay.localhost", "::1", true },
		{ "relay.localhost", "app.relay.localhost", false },
		{ "relay.localhost", "app.localhost", false },
		{ "relay.localhost", "192.0.2.1", false },
		{ "relay.localhost", "evil.example", false },
		{ "relay.localhost", "", false },
		{ "localhost", "localhost", true },
		{ "localhost", "app.localhost", false },
	};

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		if (own_host_is(rows[i].root, rows[i].host) != rows[i].is_own)
			fail_msg("%s at %s", rows[i].host, rows[i].root);
}

static void test_names_under_localhost_are_names_under_the_root(void **state)
{
	static const struct {
		const char *root, *host, *unified;
	} rows[] = {
		{ "relay.localhost", "app.localhost", "app.relay.localhost" },
		{ "relay.localhost", "app.relay.localhost", "app.relay.localhost" },
		{ "relay.localhost", "a.b.localhost", "a.b.localhost" },
		{ "relay.localhost", "relay.localhost", "relay.localhost" },
		{ "relay.localhost", "localhost", "localhost" },
		{ "relay.localhost", "app.example.com", "app.example.com" },
		{ "localhost", "app.localhost", "app.localhost" },
		{ PUBLIC, "app.localhost", "app.localhost" },
		{ PUBLIC, "app." PUBLIC, "app." PUBLIC },
	};
	char host[NAMES_HOST_MAX + 1];

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		str_copy(host, sizeof(host), rows[i].host);
		own_host_unify(rows[i].root, host);
		assert_string_equal(host, rows[i].unified);
	}
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(test_the_api_answers_to_its_own_names),
		cmocka_unit_test(test_names_under_localhost_are_names_under_the_root),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
