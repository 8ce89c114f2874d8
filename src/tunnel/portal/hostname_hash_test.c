/* Hashes of hosts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "tunnel/portal/hostname_hash.h"

#define HOST "demo-app.portal.example.com"

static void test_known_hosts_have_their_known_hashes(void **state)
{
	static const char *const rows[][2] = {
		{ HOST, "7lv6JrpCZLWgol62DmalYrX1AIv2q-ehEV7l-jU-OFE" },
		{ " Demo-App.Portal.example.com. ",
			"7lv6JrpCZLWgol62DmalYrX1AIv2q-ehEV7l-jU-OFE" },
		{ "demo-app.entry.example.com",
			"vIdHj0l7Azbf88V4RdmZFxd0XTKGXy7i1Pnq6Oc20ww" },
	};
	char hash[HOSTNAME_HASH_SIZE];

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(hostname_hash(span_str(rows[i][0]), hash, NULL), ERR_OK);
		assert_string_equal(hash, rows[i][1]);
	}
	assert_int_equal(hostname_hash(span_str(""), hash, NULL), ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_hosts_have_their_known_hashes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
