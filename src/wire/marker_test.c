/* Markers: every split of a session's first bytes means the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "wire/marker.h"

static void test_keepalives_leave_a_session_idle(void **state)
{
	static const uint8_t bytes[] = { 0, 0, 0 };
	struct span in = span_of(bytes, sizeof(bytes));
	enum marker got = MARKER_KEEPALIVE;

	(void)state;
	assert_int_equal(marker_read(&in, &got), ERR_AGAIN);
	assert_int_equal(in.n, 0);
	assert_int_equal(marker_read(&in, &got), ERR_AGAIN);
}

static void test_an_activation_leaves_the_visitors_bytes(void **state)
{
	static const uint8_t bytes[] = { 0, 0, 2, 0x16, 0x00, 0x01 };

	(void)state;
	for (size_t split = 0; split < 3; split++) {
		struct span in = span_of(bytes, split);
		enum marker got = MARKER_KEEPALIVE;

		assert_int_equal(marker_read(&in, &got), ERR_AGAIN);
		in = span_of(bytes + split, sizeof(bytes) - split);
		assert_int_equal(marker_read(&in, &got), ERR_OK);
		assert_int_equal(got, MARKER_TLS);
		assert_int_equal(in.n, 3);
		assert_int_equal(in.p[0], 0x16);
	}
}

static void test_two_bytes_activate_and_no_other(void **state)
{
	(void)state;
	for (unsigned i = 1; i < 256; i++) {
		uint8_t byte = (uint8_t)i;
		struct span in = span_of(&byte, 1);
		enum marker got = MARKER_KEEPALIVE;
		enum err want = i <= 2 ? ERR_OK : ERR_PROTO;

		assert_int_equal(marker_read(&in, &got), want);
		assert_int_equal(got, i <= 2 ? i : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_keepalives_leave_a_session_idle),
		cmocka_unit_test(test_an_activation_leaves_the_visitors_bytes),
		cmocka_unit_test(test_two_bytes_activate_and_no_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
