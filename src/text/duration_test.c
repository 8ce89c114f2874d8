/* Durations as Go reads and writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "text/duration.h"

static void test_durations_are_read(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
	} rows[] = {
		{ "0", 0 },
		{ "+0", 0 },
		{ "0s", 0 },
		{ "25s", 25000 },
		{ "+25s", 25000 },
		{ "1m30s", 90000 },
		{ "1.5h", 5400000 },
		{ "100ms", 100 },
		{ "1h0m0.5s", 3600500 },
		{ ".5s", 500 },
		{ "1.s", 1000 },
		{ "0.1h", 360000 },
		{ "1.999ms", 1 },
		{ "1500us", 1 },
		{ "2500000ns", 2 },
		{ "1ns", 1 },
		{ "0.0000000000000000000000001s", 0 },
		{ "5\xc2\xb5s", 1 },
		{ "5000\xce\xbcs", 5 },
		{ "1s1s", 2000 },
		{ "2562047h", 9223369200000 },
	};
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(duration_parse(span_str(rows[i].text), &ms), ERR_OK);
		assert_int_equal(ms, rows[i].ms);
	}
}

static void test_what_is_no_duration_is_refused(void **state)
{
	static const struct {
		const char *text;
		enum err rc;
	} rows[] = {
		{ "", ERR_SYNTAX },
		{ "+", ERR_SYNTAX },
		{ "5", ERR_SYNTAX },
		{ "00", ERR_SYNTAX },
		{ "-1s", ERR_SYNTAX },
		{ "s", ERR_SYNTAX },
		{ ".s", ERR_SYNTAX },
		{ ".", ERR_SYNTAX },
		{ "1", ERR_SYNTAX },
		{ "1s5", ERR_SYNTAX },
		{ "1 s", ERR_SYNTAX },
		{ "1s ", ERR_SYNTAX },
		{ "1d", ERR_SYNTAX },
		{ "1S", ERR_SYNTAX },
		{ "1.5.5s", ERR_SYNTAX },
		{ "1e3s", ERR_SYNTAX },
		{ "2562048h", ERR_LIMIT },
		{ "2562047h2562047h", ERR_LIMIT },
		{ "99999999999999999999999999h", ERR_LIMIT },
		{ "9223372036854775807ns1ns", ERR_LIMIT },
	};
	uint64_t ms = 7;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		assert_int_equal(duration_parse(span_str(rows[i].text), &ms), rows[i].rc);
	assert_int_equal(ms, 7);
}

static void test_durations_are_printed(void **state)
{
	static const struct {
		uint64_t us;
		const char *text;
	} rows[] = {
		{ 0, "0s" },
		{ 7, "7\xc2\xb5s" },
		{ 999, "999\xc2\xb5s" },
		{ 1000, "1ms" },
		{ 1006, "1.006ms" },
		{ 1060, "1.06ms" },
		{ 100000, "100ms" },
		{ 999999, "999.999ms" },
		{ 1000000, "1s" },
		{ 1600000, "1.6s" },
		{ 1000001, "1.000001s" },
		{ 51200000, "51.2s" },
		{ 60000000, "1m0s" },
		{ 102400000, "1m42.4s" },
		{ 300000000, "5m0s" },
		{ 3600000000, "1h0m0s" },
		{ 90061000001, "25h1m1.000001s" },
	};
	char text[DURATION_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++)
		assert_string_equal(duration_print(rows[i].us, text), rows[i].text);
	assert_string_equal(duration_print(UINT64_MAX, text), "5124095576h1m49.551615s");
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_durations_are_read),
		cmocka_unit_test(test_what_is_no_duration_is_refused),
		cmocka_unit_test(test_durations_are_printed),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
