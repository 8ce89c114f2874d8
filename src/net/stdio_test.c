/* Behaviour of standard input and output as a stream:
 * pipes, files, one descriptor for both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/stdio.h"

struct fixture {
	struct loop *loop;
	struct stream *stream;
	int to_us[2], from_us[2]; /* pipes: [0] is read, [1] written */
	unsigned reads, writes;
	char got[64];
	size_t n;
	enum err end;
	bool closes;
};

static void on_ready(void *arg, unsigned ready)
{
	struct fixture *f = arg;
	size_t got;

	f->writes += (ready & LOOP_WRITE) != 0;
	if (!(ready & LOOP_READ))
		return;
	f->reads++;
	f->end = stream_read(f->stream, f->got + f->n, 4, &got);
	if (f->end == ERR_OK)
		f->n += got;
	if (f->closes) {
		stream_close(f->stream);
		f->stream = NULL;
	}
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);

	assert_int_equal(loop_new(&f->loop), ERR_OK);
	assert_int_equal(pipe(f->to_us), 0);
	assert_int_equal(pipe(f->from_us), 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stream_close(f->stream);
	loop_turn(f->loop);
	loop_free(f->loop);
	for (int i = 0; i < 2; i++) {
		close(f->to_us[i]);
		close(f->from_us[i]);
	}
	free(f);
	return 0;
}

static void open_over(struct fixture *f, int in, int out)
{
	assert_int_equal(stdio_open(f->loop, in, out, &f->stream, NULL), ERR_OK);
	stream_set_owner(f->stream, on_ready, f);
}

static void settle(struct fixture *f)
{
	for (int i = 0; i < 20; i++)
		loop_turn(f->loop);
}

static void test_pipes_carry_both_ways_and_end(void **state)
{
	struct fixture *f = *state;
	char text[8] = "";
	size_t put;

	open_over(f, f->to_us[0], f->from_us[1]);
	stream_want(f->stream, LOOP_READ);
	settle(f);
	assert_int_equal(f->reads, 0);
	assert_int_equal(write(f->to_us[1], "hello", 5), 5);
	settle(f);
	assert_string_equal(f->got, "hello");
	assert_int_equal(stream_put(f->stream, "back", 4, &put), ERR_OK);
	assert_int_equal(read(f->from_us[0], text, sizeof(text)), 4);
	assert_int_equal(stream_finish(f->stream), ERR_OK);
	assert_int_equal(stream_finish(f->stream), ERR_OK);
	assert_int_equal(read(f->from_us[0], text, sizeof(text)), 0);
	close(f->to_us[1]);
	f->to_us[1] = -1;
	settle(f);
	assert_int_equal(f->end, ERR_EOF);
}

static void test_a_finished_output_keeps_its_number(void **state)
{
	struct fixture *f = *state;

	open_over(f, f->to_us[0], f->from_us[1]);
	assert_int_equal(stream_finish(f->stream), ERR_OK);
	assert_true(fcntl(f->from_us[1], F_GETFD) >= 0);
	assert_int_equal(write(f->from_us[1], "lost", 4), 4);
}

static void test_a_file_is_ready_until_it_is_not_wanted(void **state)
{
	struct fixture *f = *state;
	FILE *file = tmpfile();

	assert_true(fputs("a file of twenty-odd", file) > 0);
	assert_int_equal(fflush(file), 0);
	rewind(file);
	open_over(f, fileno(file), f->from_us[1]);
	stream_want(f->stream, LOOP_READ);
	settle(f);
	assert_string_equal(f->got, "a file of twenty-odd");
	assert_int_equal(f->end, ERR_EOF);
	stream_want(f->stream, 0);
	f->reads = 0;
	settle(f);
	assert_int_equal(f->reads, 0);

	/* And may be closed in the call. */
	f->closes = true;
	stream_want(f->stream, LOOP_READ);
	settle(f);
	assert_int_equal(f->reads, 1);
	fclose(file);
}

static void test_one_open_file_for_both_is_left_as_it_was(void **state)
{
	struct fixture *f = *state;
	int pair[2], twin;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	twin = dup(pair[0]);
	open_over(f, pair[0], twin);
	assert_true(fcntl(pair[0], F_GETFL) & O_NONBLOCK);
	stream_close(f->stream);
	f->stream = NULL;
	assert_false(fcntl(pair[0], F_GETFL) & O_NONBLOCK);
	close(pair[0]);
	close(pair[1]);
	close(twin);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_pipes_carry_both_ways_and_end),
		TEST(test_a_finished_output_keeps_its_number),
		TEST(test_a_file_is_ready_until_it_is_not_wanted),
		TEST(test_one_open_file_for_both_is_left_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
