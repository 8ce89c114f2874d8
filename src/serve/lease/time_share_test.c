/* Shares of a thread's time, by a simulated clock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/lease/time_share.h"

#define SECOND_US UINT64_C(1000000)

/* The amount of work done in @wall_us under endless requests of @each_us each. */
static uint64_t work(struct time_share *s, uint64_t *now_us, uint64_t each_us,
	uint64_t wall_us)
{
	uint64_t end_us = *now_us + wall_us, done_us = 0;

	while (*now_us < end_us) {
		if (!time_share_has_room(s, *now_us)) {
			*now_us += 100; /* other work */
			continue;
		}
		time_share_spend(s, *now_us, each_us);
		*now_us += each_us;
		done_us += each_us;
	}
	return done_us;
}

static void test_endless_requests_get_half(void **state)
{
	static const uint64_t each_us[] = { 25, 600, 5000, 40000 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct time_share s = { .due_us = 0 };
		uint64_t now_us = 7 * SECOND_US;

		(void)work(&s, &now_us, each_us[i], 3 * SECOND_US); /* the burst */
		assert_in_range(work(&s, &now_us, each_us[i], 10 * SECOND_US),
			49 * SECOND_US / 10, 51 * SECOND_US / 10);
	}
}

static void test_there_is_a_burst_after_a_pause(void **state)
{
	struct time_share s = { .due_us = 0 };
	uint64_t now_us = 7 * SECOND_US;

	(void)state;
	(void)work(&s, &now_us, 600, 5 * SECOND_US);
	assert_false(time_share_has_room(&s, now_us));
	now_us += 3 * SECOND_US;
	assert_in_range(work(&s, &now_us, 600, SECOND_US / 2), SECOND_US / 2,
		SECOND_US / 2 + 600);
}

static void test_the_time_to_wait_is_returned(void **state)
{
	struct time_share s = { .due_us = 0 };
	uint64_t now_us = 7 * SECOND_US, wait_us;

	(void)state;
	assert_int_equal(time_share_wait_us(&s, now_us), 0);
	(void)work(&s, &now_us, 600, 5 * SECOND_US);
	wait_us = time_share_wait_us(&s, now_us);
	assert_in_range(wait_us, 1, 1200);
	assert_false(time_share_has_room(&s, now_us + wait_us - 1));
	assert_true(time_share_has_room(&s, now_us + wait_us));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_endless_requests_get_half),
		cmocka_unit_test(test_there_is_a_burst_after_a_pause),
		cmocka_unit_test(test_the_time_to_wait_is_returned),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
