/* Prefixes: parsing, printing, and the addresses in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/mem.h"
#include "net/prefix.h"

static void test_prefixes_are_read_and_printed(void **state)
{
	static const char *const rows[][2] = {
		{ "10.0.0.0/8", "10.0.0.0/8" },
		{ "10.1.2.3/8", "10.0.0.0/8" },
		{ "0.0.0.0/0", "0.0.0.0/0" },
		{ "192.0.2.7", "192.0.2.7" },
		{ "192.0.2.7/32", "192.0.2.7" },
		{ "192.0.2.255/25", "192.0.2.128/25" },
		{ "::/0", "::/0" },
		{ "::1", "::1" },
		{ "::1/128", "::1" },
		{ "FE80::1/10", "fe80::/10" },
		{ "2001:db8::ffff/33", "2001:db8::/33" },
		{ "::ffff:192.0.2.7", "192.0.2.7" },
		{ "::ffff:10.0.0.0/104", "10.0.0.0/8" },
		{ "::ffff:0:0/96", "0.0.0.0/0" },
		{ "::ffff:1.2.3.4/95", "::fffe:0:0/95" },
		{ "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/127",
			"ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe/127" },
	};
	char text[PREFIX_TEXT_MAX];
	struct prefix p;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(prefix_parse(span_str(rows[i][0]), &p), ERR_OK);
		assert_string_equal(prefix_print(&p, text), rows[i][1]);
	}
}

static void test_what_is_no_prefix_is_refused(void **state)
{
	static const char *const rows[] = {
		"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8",
		"10.0.0.0/08", "10.0.0.0/8/8", "10.0.0.0/8 ", " 10.0.0.0/8", "10.0.0/8",
		"10/8", "010.0.0.1", "::/129", "[::1]", "[::]/0", "fe80::1%lo",
		"fe80::1%1/64", "localhost", "1.2.3.4:80", "*",
		"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
		"0000000000000000000000000000000000000000000000000000000000000000000000000"
	};
	struct prefix p;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		assert_int_equal(prefix_parse(span_str(rows[i]), &p), ERR_SYNTAX);
	assert_int_equal(prefix_parse(span_of("1.2.3.4\0", 8), &p), ERR_SYNTAX);
}

static bool is_in(const char *prefix, const char *host)
{
	struct prefix_set set = { .n = 0 };
	struct prefix p;
	struct addr a;
	bool has;

	assert_int_equal(prefix_parse(span_str(prefix), &p), ERR_OK);
	assert_int_equal(prefix_set_add(&set, &p), ERR_OK);
	assert_int_equal(addr_from_literal(host, 443, &a), ERR_OK);
	has = prefix_set_has(&set, &a);
	prefix_set_fini(&set);
	return has;
}

static void test_an_address_is_in_its_prefixes(void **state)
{
	(void)state;
	assert_true(is_in("10.0.0.0/8", "10.255.0.1"));
	assert_false(is_in("10.0.0.0/8", "11.0.0.1"));
	assert_true(is_in("172.16.0.0/12", "172.31.255.255"));
	assert_false(is_in("172.16.0.0/12", "172.32.0.0"));
	assert_true(is_in("192.0.2.7", "192.0.2.7"));
	assert_false(is_in("192.0.2.7", "192.0.2.6"));
	assert_true(is_in("0.0.0.0/0", "203.0.113.9"));
	assert_false(is_in("0.0.0.0/0", "2001:db8::1"));
	assert_true(is_in("fc00::/7", "fd12::1"));
	assert_false(is_in("fc00::/7", "fe00::1"));
	assert_true(is_in("::/0", "2001:db8::1"));
}

static void test_a_mapped_address_is_the_one_of_ip4(void **state)
{
	(void)state;
	assert_true(is_in("10.0.0.0/8", "::ffff:10.1.2.3"));
	assert_true(is_in("::ffff:10.0.0.0/104", "10.1.2.3"));
	assert_false(is_in("::/0", "10.1.2.3"));
	assert_false(is_in("::/0", "::ffff:10.1.2.3"));
}

static void test_no_address_is_in_no_prefix(void **state)
{
	struct addr local = { .n = sizeof(sa_family_t), .sa.sa_family = AF_UNIX };
	struct prefix_set set = { .n = 0 };
	struct prefix p;

	(void)state;
	assert_int_equal(prefix_parse(span_str("0.0.0.0/0"), &p), ERR_OK);
	assert_int_equal(prefix_set_add(&set, &p), ERR_OK);
	assert_false(prefix_set_has(&set, &local));
	prefix_set_fini(&set);
}

static void test_a_set_has_each_once_and_can_be_copied(void **state)
{
	static const char *const rows[] = { "10.0.0.0/8", "::1", "10.9.9.9/8",
		"10.0.0.0/9" };
	struct prefix_set set = { .n = 0 }, copy = { .n = 0 };
	struct prefix p;

	(void)state;
	assert_int_equal(prefix_set_copy(&set, &copy), ERR_OK);
	assert_int_equal(copy.n, 0);
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(prefix_parse(span_str(rows[i]), &p), ERR_OK);
		assert_int_equal(prefix_set_add(&set, &p), ERR_OK);
	}
	assert_int_equal(set.n, 3);
	assert_int_equal(prefix_set_copy(&set, &copy), ERR_OK);
	assert_int_equal(copy.n, 3);
	assert_memory_equal(copy.v, set.v, 3 * sizeof(*copy.v));
	prefix_set_fini(&set);
	assert_int_equal(set.n, 0);
	prefix_set_fini(&copy);
}

static const char *client_of(const char *literal, char to[PREFIX_TEXT_MAX])
{
	struct prefix p;
	struct addr a;

	assert_int_equal(addr_from_literal(literal, 7, &a), ERR_OK);
	assert_true(prefix_of_client(&a, 64, &p));
	return prefix_print(&p, to);
}

static void test_a_client_is_an_address_or_a_network_of_ip6(void **state)
{
	struct addr local = { .n = sizeof(sa_family_t), .sa.sa_family = AF_UNIX };
	char text[PREFIX_TEXT_MAX];
	struct prefix p;

	(void)state;
	assert_string_equal(client_of("203.0.113.9", text), "203.0.113.9");
	assert_string_equal(client_of("::ffff:203.0.113.9", text), "203.0.113.9");
	assert_string_equal(client_of("2001:db8:1:2:3:4:5:6", text), "2001:db8:1:2::/64");
	assert_false(prefix_of_client(&local, 64, &p));
}

static void test_local_addresses_are_not_of_the_internet(void **state)
{
	static const char *const in[] = { "127.0.0.1", "::1", "10.1.2.3", "172.31.0.1",
		"192.168.1.1", "169.254.3.4", "100.100.0.1", "fd00::1", "fe80::1",
		"::ffff:10.1.2.3" };
	static const char *const out[] = { "203.0.113.9", "172.32.0.1", "100.128.0.1",
		"2001:db8::1", "::2" };
	struct prefix_set set = { .n = 0 };
	struct addr a;

	(void)state;
	assert_int_equal(prefix_set_add_local(&set), ERR_OK);
	for (size_t i = 0; i < mem_count(in); i++) {
		assert_int_equal(addr_from_literal(in[i], 0, &a), ERR_OK);
		assert_true(prefix_set_has(&set, &a));
	}
	for (size_t i = 0; i < mem_count(out); i++) {
		assert_int_equal(addr_from_literal(out[i], 0, &a), ERR_OK);
		assert_false(prefix_set_has(&set, &a));
	}
	prefix_set_fini(&set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefixes_are_read_and_printed),
		cmocka_unit_test(test_what_is_no_prefix_is_refused),
		cmocka_unit_test(test_an_address_is_in_its_prefixes),
		cmocka_unit_test(test_a_mapped_address_is_the_one_of_ip4),
		cmocka_unit_test(test_no_address_is_in_no_prefix),
		cmocka_unit_test(test_a_set_has_each_once_and_can_be_copied),
		cmocka_unit_test(test_a_client_is_an_address_or_a_network_of_ip6),
		cmocka_unit_test(test_local_addresses_are_not_of_the_internet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
