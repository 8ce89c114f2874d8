/* Tests of throttles: how much passes in a time, whose turn it is, and changes of rate. */
#include "net/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/fake_test.h"

#define RATE 1000

static const uint8_t bytes[100000];

/* Reads as much as it can, whenever it is told to. */
struct reader {
	struct fake fake;
	struct stream *stream;
	size_t got, moved;
};

struct fixture {
	struct loop *loop;
	struct throttle_bucket *bucket;
	struct reader readers[2];
};

static void reader_on_ready(void *arg, unsigned ready)
{
	struct reader *r = arg;
	uint8_t to[64];
	size_t got;

	assert_int_not_equal(ready, 0);
	while (stream_read(r->stream, to, sizeof(to), &got) == ERR_OK)
		r->got += got;
	stream_want(r->stream, LOOP_READ);
}

static void reader_on_moved(void *arg, bool is_read, size_t n)
{
	struct reader *r = arg;

	assert_true(is_read);
	r->moved += n;
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);

	clock_freeze(1000000);
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	assert_int_equal(throttle_bucket_new(f->loop, RATE, &f->bucket), ERR_OK);
	for (int i = 0; i < 2; i++) {
		struct reader *r = &f->readers[i];
		struct throttle_options o = { .bucket = f->bucket,
			.below = &r->fake.stream,
			.on_moved = reader_on_moved,
			.arg = r };

		fake_init(&r->fake, f->loop, 0);
		r->fake.in = span_of(bytes, sizeof(bytes));
		assert_int_equal(throttle_open(&o, &r->stream), ERR_OK);
		stream_set_owner(r->stream, reader_on_ready, r);
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		assert_int_equal(f->readers[i].got, f->readers[i].moved);
		stream_close(f->readers[i].stream);
		fake_fini(&f->readers[i].fake);
	}
	throttle_bucket_unref(f->bucket);
	loop_turn(f->loop);
	loop_free(f->loop);
	free(f);
	return 0;
}

/* Turns until @n bytes have come; the pauses between turns are real, and short. */
static void run_until(struct fixture *f, size_t n)
{
	while (f->readers[0].got + f->readers[1].got < n)
		loop_turn(f->loop);
}

static void test_a_burst_of_a_second_and_then_the_rate(void **state)
{
	struct fixture *f = *state;

	stream_want(f->readers[0].stream, LOOP_READ);
	run_until(f, RATE);
	assert_int_equal(f->readers[0].got, RATE);
	clock_advance(500);
	run_until(f, RATE + RATE / 2);
	assert_int_equal(f->readers[0].got, RATE + RATE / 2);
}

static void test_who_waits_gets_turns(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++)
		stream_want(f->readers[i].stream, LOOP_READ);
	run_until(f, RATE);
	for (int i = 0; i < 2; i++)
		f->readers[i].got = f->readers[i].moved = 0;
	clock_advance(1000);
	run_until(f, RATE);
	assert_int_equal(f->readers[0].got, RATE / 2);
	assert_int_equal(f->readers[1].got, RATE / 2);
}

static void test_no_limit_is_at_once(void **state)
{
	struct fixture *f = *state;

	stream_want(f->readers[0].stream, LOOP_READ);
	run_until(f, RATE);
	throttle_bucket_set_rate(f->bucket, 0);
	run_until(f, sizeof(bytes));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_burst_of_a_second_and_then_the_rate),
		TEST(test_who_waits_gets_turns),
		TEST(test_no_limit_is_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
