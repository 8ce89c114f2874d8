/* Channels: opening, data within windows, and every way they end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "wire/ssh_pair.h"

static void test_data_goes_both_ways(void **state)
{
	struct ssh_pair p;
	struct ssh_channel *c, *s;

	(void)state;
	ssh_pair_up(&p, 0);
	ssh_pair_open(&p, &p.client, &c, &s);
	assert_int_equal(ssh_end_write(c, span_str("hello")), 5);
	assert_int_equal(ssh_end_write(s, span_str("world!")), 6);
	ssh_pair_run(&p);
	assert_true(span_is(buf_span(&p.server.data), "hello"));
	assert_true(span_is(buf_span(&p.client.data), "world!"));
	ssh_pair_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_data_goes_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
