/* Behaviour of retry logs: once, then once a minute. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>

#include "agent/retry_log.h"

static void test_the_same_is_said_once_and_then_once_a_minute(void **state)
{
	struct retry_log r = { .said_n = 0 };
	uint64_t now = 1000;
	unsigned lines = 0;

	(void)state;
	for (; now < 1000 + 10 * RETRY_LOG_MS; now += 2000)
		lines += retry_log_wants(&r, "refused", now);
	assert_int_equal(lines, 10);
}

static void test_what_is_new_is_said_at_once(void **state)
{
	struct retry_log r = { .said_n = 0 };

	(void)state;
	assert_true(retry_log_wants(&r, "refused", 1000));
	assert_true(retry_log_wants(&r, "timed out", 1001));
	assert_false(retry_log_wants(&r, "refused", 1002));
	assert_false(retry_log_wants(&r, "timed out", 1003));
}

static void test_even_news_without_end_have_a_bound(void **state)
{
	struct retry_log r = { .said_n = 0 };
	unsigned lines = 0;
	char text[32];

	(void)state;
	for (int i = 0; i < 30; i++) {
		snprintf(text, sizeof(text), "reason %d", i);
		lines += retry_log_wants(&r, text, 1000 + (uint64_t)i * 1000);
	}
	assert_int_equal(lines, RETRY_LOG_TEXTS);
	assert_true(retry_log_wants(&r, "yet another", 1000 + 2 * RETRY_LOG_MS));
}

static void test_after_success_it_is_news_again(void **state)
{
	struct retry_log r = { .said_n = 0 };

	(void)state;
	assert_true(retry_log_wants(&r, "refused", 1000));
	retry_log_reset(&r);
	assert_true(retry_log_wants(&r, "refused", 1001));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_same_is_said_once_and_then_once_a_minute),
		cmocka_unit_test(test_what_is_new_is_said_at_once),
		cmocka_unit_test(test_even_news_without_end_have_a_bound),
		cmocka_unit_test(test_after_success_it_is_news_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
