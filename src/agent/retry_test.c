/* Behaviour of retries: how many, after which pauses, and which are logged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>

#include "agent/retry.h"
#include "base/clock.h"
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

/* The pause after @failures attempts in a row. */
static uint32_t pause_after(const struct retry_options *o, int failures,
	enum retry_kind kind)
{
	struct retry r;
	uint32_t ms;

	retry_init(&r, o);
	r.failures = failures - 1;
	(void)!retry_fail(&r, kind, &ms);
	return ms;
}

static bool is_due(int limit, int failures)
{
	struct retry r;
	uint32_t ms;

	retry_init(&r, &(struct retry_options){ .limit = limit });
	r.failures = failures - 1;
	return retry_fail(&r, RETRY_TRANSIENT, &ms);
}

static void test_the_limit_is_a_number_of_retries(void **state)
{
	(void)state;
	assert_false(is_due(0, 1));
	assert_true(is_due(3, 1));
	assert_true(is_due(3, 3));
	assert_false(is_due(3, 4));
	assert_true(is_due(-1, INT32_MAX));
}

static void test_the_first_retry_is_at_once(void **state)
{
	struct retry_options o = { .limit = -1 };

	(void)state;
	assert_int_equal(pause_after(&o, 1, RETRY_TRANSIENT), 0);
}

static uint32_t longest(const struct retry_options *o, int failures)
{
	uint32_t most = 0;

	for (int i = 0; i < 2000; i++) {
		uint32_t ms = pause_after(o, failures, RETRY_TRANSIENT);

		assert_true(ms >= o->min_ms || ms == o->max_ms);
		most = ms > most ? ms : most;
	}
	return most;
}

static void test_later_pauses_grow_and_stay_below_the_bound(void **state)
{
	struct retry_options o = { .limit = -1 };

	(void)state;
	assert_in_range(longest(&o, 2), 100, 200);
	assert_in_range(longest(&o, 3), 201, 400);
	assert_in_range(longest(&o, 7), 2000, 4000);
	assert_in_range(longest(&o, INT32_MAX), 2000, 4000);
}

static void test_the_configured_bounds_are_kept(void **state)
{
	struct retry_options o = { .limit = -1, .max_ms = 300000, .min_ms = 1000 };

	(void)state;
	assert_int_equal(pause_after(&o, 1, RETRY_TRANSIENT), 1000);
	assert_int_equal(longest(&o, 2), 1000);
	assert_in_range(longest(&o, 20), 150000, 300000);
	o.max_ms = 50;
	assert_int_equal(longest(&o, 1), 50);
	assert_int_equal(longest(&o, 20), 50);
}

static void test_a_denied_attempt_is_not_retried_soon(void **state)
{
	struct retry_options o = { .limit = -1 };

	(void)state;
	assert_int_equal(pause_after(&o, 1, RETRY_DENIED), RETRY_DENIED_MS);
	assert_int_equal(pause_after(&o, 100, RETRY_DENIED), RETRY_DENIED_MS);
	o.max_ms = 1000;
	assert_int_equal(pause_after(&o, 1, RETRY_DENIED), 1000);
	o.max_ms = 300000;
	o.min_ms = 60000;
	assert_int_equal(pause_after(&o, 1, RETRY_DENIED), 60000);
}

static void test_pauses_for_a_taken_name_grow(void **state)
{
	struct retry_options o = { .limit = -1, .max_ms = 3000 };
	uint32_t most = 0;

	(void)state;
	assert_int_equal(pause_after(&o, 1, RETRY_TAKEN), 0);
	for (int i = 0; i < 2000; i++) {
		uint32_t ms = pause_after(&o, 20, RETRY_TAKEN);

		most = ms > most ? ms : most;
	}
	assert_in_range(most, 15000, RETRY_DENIED_MS);
}

static void test_a_pause_may_count_from_the_attempt(void **state)
{
	struct retry r;
	uint32_t ms;

	(void)state;
	retry_init(&r,
		&(struct retry_options){
			.limit = -1,
			.min_ms = 2000,
			.counts_from_attempt = true,
		});
	retry_begin(&r);
	clock_advance(500);
	assert_true(retry_fail(&r, RETRY_TRANSIENT, &ms));
	assert_int_equal(ms, 1500);
	retry_begin(&r);
	retry_succeed(&r);
	clock_advance(500);
	retry_reset(&r);
	assert_true(retry_fail(&r, RETRY_TRANSIENT, &ms));
	assert_int_equal(ms, 2000); /* it was open: no attempt */
}

static void test_a_stable_session_resets_the_count(void **state)
{
	struct retry r;
	uint32_t ms;

	(void)state;
	retry_init(&r, &(struct retry_options){ .limit = 3 });
	for (int i = 0; i < 10; i++) {
		retry_begin(&r);
		retry_succeed(&r);
		clock_advance(RETRY_STABLE_MS + 1);
		assert_true(retry_fail(&r, RETRY_TRANSIENT, &ms));
	}
	assert_int_equal(r.failures, 1);
	for (int i = 0; i < 2; i++) {
		retry_begin(&r);
		retry_succeed(&r);
		clock_advance(RETRY_STABLE_MS / 2);
		assert_true(retry_fail(&r, RETRY_TRANSIENT, &ms));
	}
	assert_false(retry_fail(&r, RETRY_TRANSIENT, &ms));
}

static void test_an_attempt_is_fresh_for_a_moment(void **state)
{
	struct retry r;

	(void)state;
	retry_init(&r, &(struct retry_options){ .limit = -1 });
	retry_begin(&r);
	assert_int_equal(retry_fresh_ms(&r), RETRY_FRESH_MS);
	clock_advance(RETRY_FRESH_MS - 1);
	assert_int_equal(retry_fresh_ms(&r), 1);
	clock_advance(1);
	assert_int_equal(retry_fresh_ms(&r), 0);
}

static void test_a_failure_is_logged_once_and_then_once_a_minute(void **state)
{
	struct retry_log l = { .texts_n = 0 };
	unsigned counts[3] = { 0 };

	(void)state;
	for (unsigned ms = 0; ms < 10 * RETRY_LOG_MS; ms += 2000) {
		counts[retry_log_wants(&l, "refused")]++;
		clock_advance(2000);
	}
	assert_int_equal(counts[RETRY_LOG_FULL], 1);
	assert_int_equal(counts[RETRY_LOG_LINE], 9);
}

static void test_a_new_failure_is_logged_at_once(void **state)
{
	struct retry_log l = { .texts_n = 0 };

	(void)state;
	assert_true(retry_log_wants(&l, "refused"));
	assert_true(retry_log_wants(&l, "timed out"));
	assert_false(retry_log_wants(&l, "refused"));
	assert_false(retry_log_wants(&l, "timed out"));
}

static void test_new_failures_are_bounded_too(void **state)
{
	struct retry_log l = { .texts_n = 0 };
	unsigned lines = 0;
	char text[32];

	(void)state;
	for (int i = 0; i < 30; i++) {
		snprintf(text, sizeof(text), "reason %d", i);
		lines += retry_log_wants(&l, text) == RETRY_LOG_FULL;
		clock_advance(1000);
	}
	assert_int_equal(lines, RETRY_LOG_TEXTS);
	clock_advance(RETRY_LOG_MS);
	assert_true(retry_log_wants(&l, "yet another"));
}

static void test_after_success_a_failure_is_new_again(void **state)
{
	struct retry_log l = { .texts_n = 0 };

	(void)state;
	assert_false(retry_log_reset(&l));
	assert_true(retry_log_wants(&l, "refused"));
	assert_true(retry_log_reset(&l));
	assert_true(retry_log_wants(&l, "refused"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_limit_is_a_number_of_retries),
		cmocka_unit_test(test_the_first_retry_is_at_once),
		cmocka_unit_test(test_later_pauses_grow_and_stay_below_the_bound),
		cmocka_unit_test(test_the_configured_bounds_are_kept),
		cmocka_unit_test(test_a_denied_attempt_is_not_retried_soon),
		cmocka_unit_test(test_pauses_for_a_taken_name_grow),
		cmocka_unit_test(test_a_pause_may_count_from_the_attempt),
		cmocka_unit_test(test_a_stable_session_resets_the_count),
		cmocka_unit_test(test_an_attempt_is_fresh_for_a_moment),
		cmocka_unit_test(test_a_failure_is_logged_once_and_then_once_a_minute),
		cmocka_unit_test(test_a_new_failure_is_logged_at_once),
		cmocka_unit_test(test_new_failures_are_bounded_too),
		cmocka_unit_test(test_after_success_a_failure_is_new_again),
	};

	clock_freeze(1000);
	return cmocka_run_group_tests(tests, seed, NULL);
}
