/* Behaviour of a meter, over a fake stream. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/fake_test.h"
#include "net/meter.h"

struct fixture {
	struct loop *loop;
	struct fake below;
	struct meter *meter;
	struct stream *stream;
	unsigned ends, readies;
	bool closes; /* in on_ready */
	struct meter_end end;
};

static void on_closed(void *arg, const struct meter_end *end)
{
	struct fixture *f = arg;

	f->ends++;
	f->end = *end;
}

static void on_ready(void *arg, unsigned ready)
{
	struct fixture *f = arg;

	(void)ready;
	f->readies++;
	if (f->closes)
		stream_close(f->stream);
	else
		stream_want(f->stream, 0);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);
	struct meter_options o = { .below = &f->below.stream,
		.on_closed = on_closed,
		.arg = f };

	assert_int_equal(loop_new(&f->loop), ERR_OK);
	fake_init(&f->below, f->loop, 0);
	f->below.in = span_str("hello");
	o.loop = f->loop;
	assert_int_equal(meter_open(&o, &f->meter), ERR_OK);
	f->stream = meter_stream(f->meter);
	stream_set_owner(f->stream, on_ready, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	assert_true(f->below.is_closed);
	fake_fini(&f->below);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void test_what_goes_through_is_counted(void **state)
{
	struct fixture *f = *state;
	char text[8];
	size_t n;

	assert_int_equal(stream_read(f->stream, text, sizeof(text), &n), ERR_OK);
	assert_int_equal(stream_read(f->stream, text, sizeof(text), &n), ERR_EOF);
	assert_int_equal(stream_put(f->stream, "abc", 3, &n), ERR_OK);
	assert_int_equal(stream_finish(f->stream), ERR_OK);
	assert_true(f->below.is_finished);
	stream_close(f->stream);
	assert_int_equal(f->ends, 1);
	assert_int_equal(f->end.read_bytes, 5);
	assert_int_equal(f->end.written_bytes, 3);
	assert_int_equal(f->end.rc, ERR_OK);
	assert_false(f->below.is_aborted);
}

static void test_the_cause_of_a_failure_is_reported(void **state)
{
	struct fixture *f = *state;
	char text[8];
	size_t n;

	f->below.fails_at = 1;
	assert_int_equal(stream_read(f->stream, text, sizeof(text), &n), ERR_SYS);
	stream_abort(f->stream);
	assert_int_equal(f->end.rc, ERR_SYS);
	assert_true(f->below.is_aborted);
}

static void test_an_abort_alone_is_a_reason(void **state)
{
	struct fixture *f = *state;

	stream_abort(f->stream);
	assert_int_equal(f->end.rc, ERR_CLOSED);
}

static void test_a_cut_is_seen_by_the_user_only(void **state)
{
	struct fixture *f = *state;
	char text[8];
	size_t n;

	stream_want(f->stream, LOOP_READ);
	meter_cut(f->meter);
	assert_true(f->below.is_aborted);
	loop_turn(f->loop);
	assert_int_equal(f->readies, 1);
	assert_int_equal(stream_read(f->stream, text, sizeof(text), &n), ERR_RESET);
	assert_int_equal(stream_put(f->stream, "a", 1, &n), ERR_RESET);
	assert_int_equal(stream_finish(f->stream), ERR_RESET);
	stream_want(f->stream, LOOP_WRITE);
	loop_turn(f->loop);
	assert_int_equal(f->readies, 2);
	stream_close(f->stream);
	assert_int_equal(f->ends, 0);
}

static void test_it_may_be_closed_in_its_own_call(void **state)
{
	struct fixture *f = *state;

	f->closes = true;
	stream_want(f->stream, LOOP_READ);
	loop_turn(f->loop);
	assert_int_equal(f->readies, 1);
	assert_int_equal(f->ends, 1);
}

static void test_a_cut_without_a_reader_is_seen_later(void **state)
{
	struct fixture *f = *state;

	meter_cut(f->meter);
	meter_cut(f->meter); /* again: nothing is left to cut */
	loop_turn(f->loop);
	assert_int_equal(f->readies, 0);
	f->closes = true; /* in the call that tells of it */
	stream_want(f->stream, LOOP_READ | LOOP_WRITE);
	loop_turn(f->loop);
	assert_int_equal(f->readies, 1);
	assert_int_equal(f->ends, 0);
}

#define METER_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		METER_TEST(test_what_goes_through_is_counted),
		METER_TEST(test_the_cause_of_a_failure_is_reported),
		METER_TEST(test_an_abort_alone_is_a_reason),
		METER_TEST(test_a_cut_is_seen_by_the_user_only),
		METER_TEST(test_it_may_be_closed_in_its_own_call),
		METER_TEST(test_a_cut_without_a_reader_is_seen_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
