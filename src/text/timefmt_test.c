/* RFC 3339: known times, every day of the calendar there and back, and what is
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/timefmt.h"

static void test_known_times_are_printed_and_read(void **state)
{
	static const struct {
		const char *text;
		int64_t s;
		uint32_t ns;
		const char *utc;
	} rows[] = {
		{ "1970-01-01T00:00:00Z", 0, 0, "1970-01-01T00:00:00Z" },
		{ "0001-01-01T00:00:00Z", -62135596800, 0, "0001-01-01T00:00:00Z" },
		{ "2026-06-01T12:00:00Z", 1780315200, 0, "2026-06-01T12:00:00Z" },
		{ "2026-06-01T12:02:00.123456789Z", 1780315320, 123456789,
			"2026-06-01T12:02:00.123456789Z" },
		{ "2026-06-01T21:00:00.5+09:00", 1780315200, 500000000,
			"2026-06-01T12:00:00.5Z" },
		{ "2026-06-01T08:30:00.000000001-03:30", 1780315200, 1,
			"2026-06-01T12:00:00.000000001Z" },
		{ "2026-06-01T12:00:00.1234567899Z", 1780315200, 123456789,
			"2026-06-01T12:00:00.123456789Z" },
		{ "2026-06-01T12:00:00.000Z", 1780315200, 0, "2026-06-01T12:00:00Z" },
		{ "1969-12-31T23:59:59.25Z", -1, 250000000, "1969-12-31T23:59:59.25Z" },
		{ "2024-02-29T00:00:00Z", 1709164800, 0, "2024-02-29T00:00:00Z" },
		{ "2000-03-01T00:00:00+00:00", 951868800, 0, "2000-03-01T00:00:00Z" },
		{ "0000-01-01T00:00:00Z", TIMEFMT_SECONDS_MIN, 0,
			"0000-01-01T00:00:00Z" },
		{ "9999-12-31T23:59:59Z", TIMEFMT_SECONDS_MAX, 0,
			"9999-12-31T23:59:59Z" },
	};
	char text[TIMEFMT_TEXT_MAX];
	struct timestamp t;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(timefmt_parse(span_str(rows[i].text), &t), ERR_OK);
		assert_true(t.s == rows[i].s);
		assert_int_equal(t.ns, rows[i].ns);
		assert_string_equal(timefmt_print(t, text), rows[i].utc);
	}
}

static void test_every_day_is_read_back(void **state)
{
	char text[TIMEFMT_TEXT_MAX], before[TIMEFMT_TEXT_MAX] = "";
	struct timestamp t = { .s = TIMEFMT_SECONDS_MIN }, again;

	(void)state;
	/* four centuries from the year 0, and four around ours: each a whole cycle */
	for (int64_t day = 0; day < 2 * 146097; day++) {
		if (day == 146097)
			t.s = 951868800 - (int64_t)73048 * 86400;
		timefmt_print(t, text);
		assert_true(strcmp(before, text) < 0);
		assert_int_equal(timefmt_parse(span_str(text), &again), ERR_OK);
		assert_true(again.s == t.s);
		memcpy(before, text, sizeof(text));
		t.s += 86400;
	}
}

static void test_what_is_not_a_time_is_refused(void **state)
{
	static const char *const rows[] = { "", "2026", "2026-06-01",
		"2026-06-01T12:00:00", "2026-06-01 12:00:00Z", "2026-06-01t12:00:00Z",
		"2026-06-01T12:00:00z", "2026-06-01T12:00Z", "2026-6-01T12:00:00Z",
		"2026-00-01T12:00:00Z", "2026-13-01T12:00:00Z", "2026-06-00T12:00:00Z",
		"2026-06-31T12:00:00Z", "2026-02-29T12:00:00Z", "1900-02-29T12:00:00Z",
		"2026-06-01T24:00:00Z", "2026-06-01T12:60:00Z", "2026-06-01T12:00:60Z",
		"2026-06-01T12:00:00.Z", "2026-06-01T12:00:00,5Z",
		"2026-06-01T12:00:00+0900", "2026-06-01T12:00:00+24:00",
		"2026-06-01T12:00:00+09:60", "2026-06-01T12:00:00Z ",
		" 2026-06-01T12:00:00Z", "+026-06-01T12:00:00Z", "12026-06-01T12:00:00Z",
		"0000-01-01T00:00:00+00:01", "9999-12-31T23:59:59-00:01" };
	struct timestamp t;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		assert_int_equal(timefmt_parse(span_str(rows[i]), &t), ERR_SYNTAX);
}

static void test_every_prefix_is_refused(void **state)
{
	static const char text[] = "2026-06-01T12:00:00.123456789+09:00";
	struct timestamp t;

	(void)state;
	for (size_t n = 0; n < strlen(text); n++)
		assert_int_equal(timefmt_parse(span_of(text, n), &t), ERR_SYNTAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_known_times_are_printed_and_read),
		cmocka_unit_test(test_every_day_is_read_back),
		cmocka_unit_test(test_what_is_not_a_time_is_refused),
		cmocka_unit_test(test_every_prefix_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
