/* Behaviour of retries: how many, and after which pauses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>

#include "agent/link_retry.h"
#include "base/rand.h"

static int seed(void **state)
{
	uint64_t value;

	(void)state;
	rand_bytes(&value, sizeof(value));
	printf("seed %llu\n", (unsigned long long)value);
	rand_seed_for_tests(value);
	return 0;
}

static void test_a_count_of_0_is_a_single_attempt(void **state)
{
	struct link_client_options o = { .max_retry_count = 0 };

	(void)state;
	assert_false(link_retry_is_due(&o, 1));
}

static void test_a_count_of_n_is_n_retries(void **state)
{
	struct link_client_options o = { .max_retry_count = 3 };

	(void)state;
	assert_true(link_retry_is_due(&o, 1));
	assert_true(link_retry_is_due(&o, 3));
	assert_false(link_retry_is_due(&o, 4));
}

static void test_without_a_count_it_goes_on_for_ever(void **state)
{
	struct link_client_options o = { .max_retry_count = -1 };

	(void)state;
	assert_true(link_retry_is_due(&o, INT32_MAX));
}

static void test_the_first_retry_is_at_once(void **state)
{
	struct link_client_options o = { 0 };

	(void)state;
	assert_int_equal(link_retry_pause_ms(&o, 0, false), 0);
	assert_int_equal(link_retry_pause_ms(&o, 1, false), 0);
}

static uint32_t longest(const struct link_client_options *o, int failures)
{
	uint32_t most = 0;

	for (int i = 0; i < 2000; i++) {
		uint32_t ms = link_retry_pause_ms(o, failures, false);

		assert_true(ms >= o->min_retry_ms || ms == o->max_retry_ms);
		most = ms > most ? ms : most;
	}
	return most;
}

static void test_later_pauses_grow_and_stay_below_the_bound(void **state)
{
	struct link_client_options o = { 0 };

	(void)state;
	assert_in_range(longest(&o, 2), 100, 200);
	assert_in_range(longest(&o, 3), 201, 400);
	assert_in_range(longest(&o, 7), 2000, 4000);
	assert_in_range(longest(&o, INT32_MAX), 2000, 4000);
}

static void test_the_users_bounds_are_kept(void **state)
{
	struct link_client_options o = { .max_retry_ms = 300000, .min_retry_ms = 1000 };

	(void)state;
	assert_int_equal(link_retry_pause_ms(&o, 1, false), 1000);
	assert_int_equal(longest(&o, 2), 1000);
	assert_in_range(longest(&o, 20), 150000, 300000);
	o.max_retry_ms = 50;
	assert_int_equal(longest(&o, 1), 50);
	assert_int_equal(longest(&o, 20), 50);
}

static void test_what_was_denied_is_not_asked_for_soon(void **state)
{
	struct link_client_options o = { .max_retry_count = -1 };

	(void)state;
	assert_int_equal(link_retry_pause_ms(&o, 1, true), LINK_RETRY_DENIED_MS);
	assert_int_equal(link_retry_pause_ms(&o, 100, true), LINK_RETRY_DENIED_MS);
	o.max_retry_ms = 1000;
	assert_int_equal(link_retry_pause_ms(&o, 1, true), 1000);
	o.max_retry_ms = 300000;
	o.min_retry_ms = 60000;
	assert_int_equal(link_retry_pause_ms(&o, 1, true), 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_count_of_0_is_a_single_attempt),
		cmocka_unit_test(test_a_count_of_n_is_n_retries),
		cmocka_unit_test(test_without_a_count_it_goes_on_for_ever),
		cmocka_unit_test(test_the_first_retry_is_at_once),
		cmocka_unit_test(test_later_pauses_grow_and_stay_below_the_bound),
		cmocka_unit_test(test_the_users_bounds_are_kept),
		cmocka_unit_test(test_what_was_denied_is_not_asked_for_soon),
	};

	return cmocka_run_group_tests(tests, seed, NULL);
}
