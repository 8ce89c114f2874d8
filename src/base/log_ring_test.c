/* The last lines of the log, as they were logged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <string.h>

#include "base/clock.h"
#include "base/log_ring.h"

static const struct log who = { .name = "who" };

static int open_ring(void **state)
{
	struct log_ring *ring;

	clock_freeze(1780315200000);
	assert_int_equal(log_ring_new(&ring), ERR_OK);
	log_set_copy(log_ring_add, ring);
	*state = ring;
	return 0;
}

static int close_ring(void **state)
{
	log_set_copy(NULL, NULL);
	log_set_json(false);
	log_ring_free(*state);
	return 0;
}

static void test_lines_are_copied_as_text(void **state)
{
	struct log_ring_line line;

	assert_false(log_ring_next(*state, 0, &line));
	assert_int_equal(log_ring_last(*state), 0);
	log_warn(&who, "a \"b\" \\ Grüße\n\xff");
	log_set_json(true);
	log_error(NULL, "a \"b\"");
	assert_true(log_ring_next(*state, 0, &line));
	assert_string_equal(line.text, "who: a \"b\" \\ Grüße\\x0a\\xff");
	assert_int_equal(line.level, LOG_WARN);
	assert_int_equal(line.number, 1);
	assert_int_equal(line.at_ms, clock_wall_ms());
	assert_true(log_ring_next(*state, 1, &line));
	assert_string_equal(line.text, "a \"b\"");
	assert_int_equal(line.level, LOG_ERROR);
	assert_int_equal(line.number, 2);
	assert_false(log_ring_next(*state, 2, &line));
	assert_false(log_ring_next(*state, UINT64_MAX, &line));
	assert_int_equal(log_ring_last(*state), 2);
}

static void test_a_level_that_is_off_is_not_copied(void **state)
{
	log_debug(&who, "x");
	assert_int_equal(log_ring_last(*state), 0);
}

static void test_old_lines_are_dropped(void **state)
{
	struct log_ring_line line = { .number = 0 };
	char expected[32];

	for (unsigned i = 1; i <= 3 * LOG_RING_LINES; i++) {
		snprintf(expected, sizeof(expected), "line %u", i);
		log_ring_add(*state, LOG_INFO, expected);
	}
	for (uint64_t n = 2 * LOG_RING_LINES + 1; n <= 3 * LOG_RING_LINES; n++) {
		assert_true(log_ring_next(*state, line.number, &line));
		assert_int_equal(line.number, n);
		snprintf(expected, sizeof(expected), "line %u", (unsigned)n);
		assert_string_equal(line.text, expected);
	}
	assert_false(log_ring_next(*state, line.number, &line));
}

static void test_a_long_line_is_cut_between_characters(void **state)
{
	struct log_ring_line line;
	char words[LOG_COPY_BYTES] = "";

	while (strlen(words) + 3 < sizeof(words))
		strcat(words, "ü");
	log_info(&who, "%s", words);
	assert_true(log_ring_next(*state, 0, &line));
	/* "who: " has an odd number of bytes. */
	assert_int_equal(strlen(line.text), LOG_COPY_BYTES - 1);
	assert_memory_equal(line.text, "who: ü", 7);
	assert_memory_equal(line.text + LOG_COPY_BYTES - 3, "ü", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines_are_copied_as_text, open_ring,
			close_ring),
		cmocka_unit_test_setup_teardown(test_a_level_that_is_off_is_not_copied,
			open_ring, close_ring),
		cmocka_unit_test_setup_teardown(test_old_lines_are_dropped, open_ring,
			close_ring),
		cmocka_unit_test_setup_teardown(
			test_a_long_line_is_cut_between_characters, open_ring,
			close_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
