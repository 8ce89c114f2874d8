/* Behaviour of login guards: time is a number here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>

#include "base/mem.h"
#include "serve/link/login_guard.h"

#define START_MS 5000000

static int set_up(void **state)
{
	struct login_guard *g;

	assert_int_equal(login_guard_new(&g), ERR_OK);
	*state = g;
	return 0;
}

static int tear_down(void **state)
{
	login_guard_free(*state);
	return 0;
}

static struct prefix client(const char *ip)
{
	struct prefix p;
	struct addr a;

	assert_int_equal(addr_from_literal(ip, 0, &a), ERR_OK);
	assert_true(prefix_of_client(&a, LOGIN_GUARD_IP6_BITS, &p));
	return p;
}

static struct login_verdict try(struct login_guard *g, const char *ip, bool is_good,
	uint64_t now_ms)
{
	struct prefix p = client(ip);

	return login_guard_try(g, &p, is_good, now_ms);
}

static void test_good_logins_never_wait(void **state)
{
	for (int i = 0; i < 1000; i++)
		assert_int_equal(try(*state, "192.0.2.1", true, START_MS).wait_ms, 0);
}

static void test_failures_wait_longer_and_longer(void **state)
{
	static const uint32_t waits[] = { 0, 0, 0, 1000, 2000, 4000, 8000, 16000, 16000 };
	uint64_t now = START_MS;
	struct login_verdict v;

	for (size_t i = 0; i < mem_count(waits); i++) {
		v = try(*state, "192.0.2.1", false, now);
		assert_int_equal(v.wait_ms, waits[i]);
		assert_false(v.is_refused);
		now += v.wait_ms; /* the client tries again when it has its answer */
	}
	assert_int_equal(try(*state, "192.0.2.2", false, now).wait_ms, 0);
}

static void test_simultaneous_attempts_wait_in_a_queue(void **state)
{
	uint32_t last = 0;
	unsigned refused = 0;
	struct login_verdict v;

	for (int i = 0; i < 100; i++) {
		v = try(*state, "192.0.2.1", false, START_MS);
		refused += v.is_refused;
		if (v.is_refused)
			continue;
		assert_true(v.wait_ms >= last);
		assert_true(v.wait_ms <= LOGIN_GUARD_QUEUE_MS);
		last = v.wait_ms;
	}
	assert_in_range(refused, 90, 95);

	/* The right password among them learns no more than others. */
	v = try(*state, "192.0.2.1", true, START_MS);
	assert_true(v.is_refused);
	v = try(*state, "192.0.2.1", true, START_MS + 15000);
	assert_false(v.is_refused);
	assert_in_range(v.wait_ms, 1, LOGIN_GUARD_QUEUE_MS);
}

/* So many guesses an address has in a day. */
static void test_a_day_of_guesses_is_few(void **state)
{
	uint64_t now = START_MS, end = START_MS + 24ULL * 3600 * 1000;
	unsigned guesses = 0;
	struct login_verdict v;

	for (; now < end; now += 50) {
		v = try(*state, "192.0.2.1", false, now);
		guesses += !v.is_refused;
	}
	assert_in_range(guesses, 5000, 6000);
}

static void test_failures_are_forgiven_with_time(void **state)
{
	uint64_t now = START_MS;

	for (int i = 0; i < 8; i++)
		now += try(*state, "192.0.2.1", false, now).wait_ms;
	now += 10 * 60000;
	for (int i = 0; i < 3; i++)
		assert_int_equal(try(*state, "192.0.2.1", false, now).wait_ms, 0);

	/* One in two minutes, by a client with an old password, waits for nothing. */
	for (int i = 0; i < 100; i++) {
		now += 120000;
		assert_int_equal(try(*state, "192.0.2.1", false, now).wait_ms, 0);
	}
}

static void test_a_network_of_ipv6_is_one_client(void **state)
{
	char ip[64];
	struct login_verdict v = { 0 };

	for (unsigned i = 0; i < 8; i++) {
		snprintf(ip, sizeof(ip), "2001:db8::%x:1", i);
		v = try(*state, ip, false, START_MS);
	}
	assert_true(v.wait_ms > 0 || v.is_refused);
	assert_int_equal(try(*state, "2001:db8:0:1::1", false, START_MS).wait_ms, 0);
	assert_int_equal(try(*state, "::ffff:192.0.2.1", false, START_MS).wait_ms, 0);
}

static void test_lines_of_one_client_have_a_bound(void **state)
{
	unsigned lines = 0, told = 0;
	uint64_t now = START_MS;
	struct login_verdict v;

	for (int i = 0; i < 3600; i++, now += 1000) {
		v = try(*state, "192.0.2.1", false, now);
		lines += v.is_logged;
		told += v.is_logged ? v.unlogged + 1 : 0;
	}
	assert_in_range(lines, 60, 70);
	assert_in_range(told, 3500, 3600);
}

static void test_the_quietest_is_forgotten_first(void **state)
{
	char ip[32];
	uint64_t now = START_MS;

	for (int i = 0; i < 8; i++)
		(void)try(*state, "192.0.2.1", false, now);
	/* Many others, while this one goes on. */
	for (unsigned i = 0; i < 20 * LOGIN_GUARD_CLIENTS; i++) {
		snprintf(ip, sizeof(ip), "10.%u.%u.%u", i >> 16, i >> 8 & 255, i & 255);
		(void)try(*state, ip, false, ++now);
		(void)try(*state, "192.0.2.1", false, now);
	}
	assert_true(try(*state, "192.0.2.1", true, now).wait_ms > 0 ||
		try(*state, "192.0.2.1", true, now).is_refused);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_good_logins_never_wait),
		TEST(test_failures_wait_longer_and_longer),
		TEST(test_simultaneous_attempts_wait_in_a_queue),
		TEST(test_a_day_of_guesses_is_few),
		TEST(test_failures_are_forgiven_with_time),
		TEST(test_a_network_of_ipv6_is_one_client),
		TEST(test_lines_of_one_client_have_a_bound),
		TEST(test_the_quietest_is_forgotten_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
