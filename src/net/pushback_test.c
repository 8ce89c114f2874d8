/* Behaviour of a stream with bytes put back in front. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "net/fake_test.h"
#include "net/pushback.h"

struct fixture {
	struct loop *loop;
	struct fake below;
	struct stream *stream;
	unsigned calls, ready;
	bool reads, closes;
	char heard[64];
	size_t heard_n;
};

static void on_ready(void *arg, unsigned ready)
{
	struct fixture *f = arg;
	size_t got;

	f->calls++;
	f->ready |= ready;
	if (f->closes) {
		stream_close(f->stream);
		f->stream = NULL;
		return;
	}
	while (f->reads &&
		stream_read(f->stream, f->heard + f->heard_n, 3, &got) == ERR_OK)
		f->heard_n += got;
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);

	assert_int_equal(loop_new(&f->loop), ERR_OK);
	fake_init(&f->below, f->loop, 0);
	f->below.in = span_str("world");
	assert_int_equal(pushback_open(f->loop, &f->below.stream, span_str("hello "),
				 &f->stream),
		ERR_OK);
	stream_set_owner(f->stream, on_ready, f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stream_close(f->stream);
	loop_turn(f->loop);
	fake_fini(&f->below);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 10; i++)
		loop_turn(f->loop);
}

static void test_what_was_put_back_comes_first(void **state)
{
	struct fixture *f = *state;

	f->reads = true;
	stream_want(f->stream, LOOP_READ);
	turn(f);
	assert_int_equal(f->heard_n, 11);
	assert_memory_equal(f->heard, "hello world", 11);
}

static void test_an_owner_that_reads_nothing_is_called_again(void **state)
{
	struct fixture *f = *state;

	stream_want(f->stream, LOOP_READ);
	turn(f);
	assert_true(f->calls > 1);
	assert_int_equal(f->ready, LOOP_READ);
	stream_want(f->stream, 0);
	loop_turn(f->loop);
	f->calls = 0;
	turn(f);
	assert_int_equal(f->calls, 0);
}

static void test_it_may_be_closed_in_its_own_call(void **state)
{
	struct fixture *f = *state;

	f->closes = true;
	stream_want(f->stream, LOOP_READ);
	turn(f);
	assert_null(f->stream);
	assert_true(f->below.is_closed);
}

static void test_what_is_written_passes_through(void **state)
{
	struct fixture *f = *state;
	size_t put = 0;

	assert_int_equal(stream_put(f->stream, "abc", 3, &put), ERR_OK);
	assert_int_equal(put, 3);
	assert_memory_equal(f->below.out, "abc", 3);
	assert_int_equal(stream_finish(f->stream), ERR_OK);
	assert_true(f->below.is_finished);
}

static void test_too_much_is_refused(void **state)
{
	struct fixture *f = *state;
	uint8_t many[PUSHBACK_MAX + 1] = { 0 };
	struct stream *out;

	assert_int_equal(pushback_open(f->loop, &f->below.stream,
				 span_of(many, sizeof(many)), &out),
		ERR_LIMIT);
}

static void test_an_end_comes_after_the_last_byte(void **state)
{
	struct fixture *f = *state;
	size_t got = 0;

	f->below.in = span_str("");
	f->reads = true;
	stream_want(f->stream, LOOP_READ);
	turn(f);
	assert_int_equal(f->heard_n, 6);
	assert_int_equal(stream_read(f->stream, f->heard, 1, &got), ERR_EOF);
	stream_abort(f->stream);
	f->stream = NULL;
	assert_true(f->below.is_aborted);
}

/* An owner that waits only for room is not called for bytes, and they do not stop it
 * from writing. */
static void test_writing_is_asked_of_what_is_below(void **state)
{
	struct fixture *f = *state;

	stream_want(f->stream, LOOP_WRITE);
	turn(f);
	assert_int_equal(f->ready, LOOP_WRITE);
	assert_true(f->calls > 1);
	f->ready = 0;
	stream_want(f->stream, LOOP_READ | LOOP_WRITE);
	turn(f);
	assert_int_equal(f->ready, LOOP_READ | LOOP_WRITE);
	assert_int_equal(f->below.in.n, 5);
}

/* What was read without having been wanted is not announced once more. */
static void test_bytes_that_are_read_at_once_are_not_announced(void **state)
{
	struct fixture *f = *state;
	size_t got = 0;

	f->below.in_end = ERR_AGAIN;
	f->below.in = span_str("");
	stream_want(f->stream, LOOP_READ);
	assert_int_equal(stream_read(f->stream, f->heard, sizeof(f->heard), &got),
		ERR_OK);
	assert_int_equal(got, 6);
	turn(f);
	assert_int_equal(f->calls, 0);
	f->reads = true;
	f->below.in = span_str("!");
	stream_want(f->stream, LOOP_READ);
	turn(f);
	assert_int_equal(f->heard_n, 1);
}

/* A filter shows what is at the bottom, and does not move unless it says that it can. */
static void test_the_socket_below_is_shown_but_not_moved(void **state)
{
	struct fixture *f = *state;
	struct stream_path path;

	assert_int_equal(stream_socket(f->stream), -1);
	f->below.stream.fd = 7;
	assert_int_equal(stream_socket(f->stream), 7);
	assert_int_equal(f->stream->fd, -1);
	assert_false(stream_path(f->stream, &path));
	assert_int_equal(stream_expect_records(f->stream), 0);
	assert_int_equal(stream_leave(f->stream), ERR_USAGE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_what_was_put_back_comes_first),
		TEST(test_an_owner_that_reads_nothing_is_called_again),
		TEST(test_it_may_be_closed_in_its_own_call),
		TEST(test_what_is_written_passes_through),
		TEST(test_too_much_is_refused),
		TEST(test_an_end_comes_after_the_last_byte),
		TEST(test_writing_is_asked_of_what_is_below),
		TEST(test_bytes_that_are_read_at_once_are_not_announced),
		TEST(test_the_socket_below_is_shown_but_not_moved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
