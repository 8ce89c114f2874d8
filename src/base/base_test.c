/* Behaviour of the small things everything else is made of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/pool.h"
#include "base/rand.h"
#include "base/sink_test.h"
#include "base/str.h"

static void test_a_buf_keeps_its_bound(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_int_equal(buf_put_str(&b, "12345678"), ERR_OK);
	assert_int_equal(buf_put_str(&b, "abc"), ERR_LIMIT);
	assert_int_equal(b.n, 8);
	assert_int_equal(b.failed, ERR_LIMIT);
	buf_consume(&b, 5);
	assert_int_equal(buf_put_str(&b, "abcdefg"), ERR_OK);
	assert_true(span_is(buf_span(&b), "678abcdefg"));
	buf_fini(&b);
}

static void test_a_buf_prints(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 64);
	assert_int_equal(buf_printf(&b, "%s:%d", "host", 80), ERR_OK);
	assert_true(span_is(buf_span(&b), "host:80"));
	buf_fini(&b);
}

static void test_a_span_that_is_too_short_stays_whole(void **state)
{
	struct span s = span_of("\x01\x02\x03", 3);
	uint32_t v;
	uint16_t w;

	(void)state;
	assert_false(span_u32(&s, &v));
	assert_int_equal(s.n, 3);
	assert_true(span_u16(&s, &w));
	assert_int_equal(w, 0x0102);
}

static void test_the_last_byte_of_a_kind_is_found(void **state)
{
	struct span s = span_str("a:b:c");

	(void)state;
	assert_ptr_equal(span_find_last(s, ':'), s.p + 3);
	assert_ptr_equal(span_find_last(s, 'a'), s.p);
	assert_null(span_find_last(s, 'd'));
	assert_null(span_find_last(span_of(NULL, 0), 'a'));
}

static void test_a_sink_lends_between_min_and_max(void **state)
{
	struct buf b;
	struct buf_sink s;
	struct mspan room;

	(void)state;
	buf_init(&b, 100);
	buf_sink_init(&s, &b);
	assert_int_equal(s.sink.reserve(&s.sink, 10, 1000, &room), ERR_OK);
	assert_int_equal(room.n, 100);
	s.sink.commit(&s.sink, 95);
	assert_int_equal(s.sink.reserve(&s.sink, 10, 1000, &room), ERR_LIMIT);
	buf_fini(&b);
}

struct thing {
	int v;
	struct list in_list;
};

static void test_a_list_survives_removal_on_a_walk(void **state)
{
	struct thing things[3] = { { .v = 1 }, { .v = 2 }, { .v = 3 } };
	struct list head, *it, *next;
	int sum = 0;

	(void)state;
	list_init(&head);
	for (int i = 0; i < 3; i++)
		list_add(&head, &things[i].in_list);
	list_each(it, next, &head) {
		sum += list_object(it, struct thing, in_list)->v;
		list_remove(it);
	}
	assert_int_equal(sum, 6);
	assert_true(list_is_empty(&head));
}

static void test_untrusted_text_is_quoted(void **state)
{
	char out[32];

	(void)state;
	assert_string_equal(str_quote(out, sizeof(out), span_of("a\n\"\x00z", 5)),
		"a\\x0a\\\"\\x00z");
	str_quote(out, 8, span_str("abcdefghijkl"));
	assert_string_equal(out, "abcd");
}

static void test_secrets_compare_whole(void **state)
{
	(void)state;
	assert_true(str_equal_secret("abc", "abc"));
	assert_false(str_equal_secret("abc", "abd"));
	assert_false(str_equal_secret("abc", "ab"));
	assert_false(str_equal_secret("", "a"));
	assert_false(str_equal_secret("a", ""));
}

static void test_numbers_have_a_bound(void **state)
{
	unsigned long v = 7;

	(void)state;
	assert_true(str_to_uint("65535", 65535, &v));
	assert_int_equal(v, 65535);
	assert_false(str_to_uint("65536", 65535, &v));
	assert_false(str_to_uint("99999999999999999999999", 65535, &v));
	assert_false(str_to_uint("", 10, &v));
	assert_false(str_to_uint("-1", 10, &v));
	assert_int_equal(v, 65535);
}

static void test_a_pool_keeps_a_bounded_stock(void **state)
{
	struct pool pool;
	void *a, *b, *c;

	(void)state;
	pool_init(&pool, 128, 2);
	a = pool_take(&pool);
	b = pool_take(&pool);
	c = pool_take(&pool);
	pool_give(&pool, a);
	pool_give(&pool, b);
	pool_give(&pool, c);
	assert_int_equal(pool.kept, 2);
	assert_ptr_equal(pool_take(&pool), b);
	pool_give(&pool, b);
	pool_fini(&pool);
}

static void test_a_frozen_clock_is_ours(void **state)
{
	(void)state;
	clock_freeze(1000);
	clock_advance(500);
	assert_int_equal(clock_now_ms(), 1500);
	assert_int_equal(clock_now_us(), 1500000);
}

static void test_seeded_randomness_repeats(void **state)
{
	uint8_t a[13], b[13];

	(void)state;
	rand_seed_for_tests(42);
	rand_bytes(a, sizeof(a));
	rand_seed_for_tests(42);
	rand_bytes(b, sizeof(b));
	assert_memory_equal(a, b, sizeof(a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_buf_keeps_its_bound),
		cmocka_unit_test(test_a_buf_prints),
		cmocka_unit_test(test_a_span_that_is_too_short_stays_whole),
		cmocka_unit_test(test_the_last_byte_of_a_kind_is_found),
		cmocka_unit_test(test_a_sink_lends_between_min_and_max),
		cmocka_unit_test(test_a_list_survives_removal_on_a_walk),
		cmocka_unit_test(test_untrusted_text_is_quoted),
		cmocka_unit_test(test_secrets_compare_whole),
		cmocka_unit_test(test_numbers_have_a_bound),
		cmocka_unit_test(test_a_pool_keeps_a_bounded_stock),
		cmocka_unit_test(test_a_frozen_clock_is_ours),
		cmocka_unit_test(test_seeded_randomness_repeats),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
