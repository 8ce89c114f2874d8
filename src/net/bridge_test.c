/* Behaviour of the bridge: over fakes that do their worst, and over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <malloc.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/timer_test.h"
#include "net/bridge.h"
#include "net/fake_test.h"
#include "net/socket.h"
#include "net/talker_test.h"

#define BLOCK_BYTES 1024
#define DATA_BYTES 6000

struct fixture {
	struct loop *loop;
	struct pool pool;
	struct fake a, b;
	struct bridge *bridge;
	struct bridge_end end;
	unsigned closed;
	struct span unseen[2]; /* on_bytes has still to see: of b, of a */
	uint8_t a_data[DATA_BYTES], b_data[DATA_BYTES / 3];
};

static int setup(void **state)
{
	struct fixture *x = mem_new(x);

	time_begin(1000000);
	assert_int_equal(loop_new(&x->loop), ERR_OK);
	pool_init(&x->pool, BLOCK_BYTES, 8);
	fake_init(&x->a, x->loop, 0);
	fake_init(&x->b, x->loop, 0);
	for (size_t i = 0; i < sizeof(x->a_data); i++)
		x->a_data[i] = (uint8_t)(i * 7 + i / 251);
	for (size_t i = 0; i < sizeof(x->b_data); i++)
		x->b_data[i] = (uint8_t)(i * 13 + i / 241);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	fake_fini(&x->a);
	fake_fini(&x->b);
	pool_fini(&x->pool);
	loop_free(x->loop);
	free(x);
	return 0;
}

static void on_closed(void *arg, const struct bridge_end *end)
{
	struct fixture *x = arg;

	x->end = *end;
	x->closed++;
	loop_stop(x->loop);
}

static void fakes_init(struct fixture *x, unsigned a_lends, unsigned b_lends)
{
	fake_fini(&x->a);
	fake_fini(&x->b);
	fake_init(&x->a, x->loop, a_lends);
	fake_init(&x->b, x->loop, b_lends);
	x->a.in = span_of(x->a_data, sizeof(x->a_data));
	x->b.in = span_of(x->b_data, sizeof(x->b_data));
	x->closed = 0;
}

static struct bridge_options bridge_options(struct fixture *x)
{
	return (struct bridge_options){ .loop = x->loop,
		.pool = &x->pool,
		.a = &x->a.stream,
		.b = &x->b.stream,
		.on_closed = on_closed,
		.arg = x };
}

static void bridge_fakes(struct fixture *x)
{
	struct bridge_options options = bridge_options(x);

	assert_int_equal(bridge_open(&options, &x->bridge), ERR_OK);
	assert_int_equal(x->closed, 0);
}

static void assert_all_arrived(struct fixture *x)
{
	assert_int_equal(x->closed, 1);
	assert_int_equal(x->end.rc, ERR_OK);
	assert_int_equal(x->end.a_to_b_bytes, sizeof(x->a_data));
	assert_int_equal(x->end.b_to_a_bytes, sizeof(x->b_data));
	assert_int_equal(x->b.out_n, sizeof(x->a_data));
	assert_memory_equal(x->b.out, x->a_data, sizeof(x->a_data));
	assert_int_equal(x->a.out_n, sizeof(x->b_data));
	assert_memory_equal(x->a.out, x->b_data, sizeof(x->b_data));
	assert_true(x->a.is_finished && x->b.is_finished);
	assert_true(x->a.is_closed && x->b.is_closed);
	assert_false(x->a.is_aborted || x->b.is_aborted);
}

static void test_every_byte_arrives_by_every_way(void **state)
{
	static const size_t steps[] = { 0, 1, 7, 512 };
	struct fixture *x = *state;

	for (unsigned way = 0; way < 4 * 4 * 4 * 4 * 2; way++) {
		fakes_init(x, way % 4, way / 4 % 4);
		x->a.in_step = steps[way / 16 % 4];
		x->b.in_step = steps[way / 64 % 4];
		x->a.out_step = x->b.in_step;
		x->b.out_step = x->a.in_step;
		x->a.is_blocking = x->b.is_blocking = way / 256 != 0;
		bridge_fakes(x);
		loop_run(x->loop);
		assert_all_arrived(x);
	}
}

static void on_bytes(void *arg, bool is_from_a, struct span bytes)
{
	struct fixture *x = arg;
	struct span part = { 0 };

	assert_true(span_cut(&x->unseen[is_from_a], bytes.n, &part));
	assert_true(span_eq(part, bytes));
}

static void test_the_owner_may_see_the_bytes(void **state)
{
	struct fixture *x = *state;

	for (unsigned lends = 0; lends < 16; lends++) {
		struct bridge_options options;

		fakes_init(x, lends % 4, lends / 4);
		x->a.out_step = 7;
		x->b.out_step = 512;
		x->unseen[0] = x->b.in;
		x->unseen[1] = x->a.in;
		options = bridge_options(x);
		options.on_bytes = on_bytes;
		assert_int_equal(bridge_open(&options, &x->bridge), ERR_OK);
		loop_run(x->loop);
		assert_all_arrived(x);
		assert_int_equal(x->unseen[0].n + x->unseen[1].n, 0);
	}
}

static void test_one_side_may_answer_after_the_other_has_finished(void **state)
{
	struct fixture *x = *state;

	for (unsigned i = 0; i < 2 * 16; i++) {
		fakes_init(x, i % 4, i / 4 % 4);
		if (i < 16)
			x->b.waits_for_finish = true;
		else
			x->a.waits_for_finish = true;
		bridge_fakes(x);
		loop_run(x->loop);
		assert_all_arrived(x);
	}
}

/* Whichever call breaks, the bridge ends, says whose fault it was, and resets both. */
static void break_at_each_call(struct fixture *x, unsigned lends, bool is_a)
{
	struct fake *broken = is_a ? &x->a : &x->b;
	unsigned at = 1;

	do {
		fakes_init(x, lends % 4, lends / 4);
		x->a.in_step = x->b.in_step = 300;
		x->a.is_blocking = x->b.is_blocking = true;
		broken->fails_at = at++;
		bridge_fakes(x);
		loop_run(x->loop);
		assert_int_equal(x->closed, 1);
		assert_true(x->a.is_closed && x->b.is_closed);
		if (x->end.rc != ERR_OK) {
			assert_int_equal(x->end.rc, ERR_SYS);
			assert_int_equal(x->end.a_broke, is_a);
			assert_true(x->a.is_aborted && x->b.is_aborted);
		}
	} while (x->end.rc != ERR_OK);
	assert_all_arrived(x);
}

static void test_a_side_that_breaks_at_any_call_ends_both(void **state)
{
	for (unsigned lends = 0; lends < 16; lends++) {
		break_at_each_call(*state, lends, true);
		break_at_each_call(*state, lends, false);
	}
}

static void test_first_bytes_come_first(void **state)
{
	struct fixture *x = *state;
	struct bridge_options options;

	fakes_init(x, 0, 0);
	x->a.in = span_of(x->a_data + 100, sizeof(x->a_data) - 100);
	options = bridge_options(x);
	options.a_first = span_of(x->a_data, 100);
	assert_int_equal(bridge_open(&options, &x->bridge), ERR_OK);
	assert_int_equal(x->b.out_n, 100);
	loop_run(x->loop);
	assert_all_arrived(x);
}

static void test_too_many_first_bytes_take_nothing(void **state)
{
	struct fixture *x = *state;
	struct bridge_options options;

	fakes_init(x, 0, 0);
	options = bridge_options(x);
	options.a_first = span_of(x->a_data, BLOCK_BYTES + 1);
	assert_int_equal(bridge_open(&options, &x->bridge), ERR_LIMIT);
	assert_false(x->a.is_closed || x->b.is_closed);
}

static void turns(struct fixture *x, int n)
{
	while (n-- > 0)
		loop_turn(x->loop);
}

static void test_a_destination_that_takes_nothing_stops_the_source(void **state)
{
	struct fixture *x = *state;

	fakes_init(x, 0, 0);
	x->b.is_stuck = true;
	x->b.in = span_of(NULL, 0);
	x->b.in_end = ERR_AGAIN;
	bridge_fakes(x);
	turns(x, 10);
	assert_int_equal(x->a.in.n, sizeof(x->a_data) - BLOCK_BYTES);
	assert_int_equal(x->a.wants, 0);
	assert_int_equal(x->b.wants, LOOP_READ | LOOP_WRITE);
	bridge_close(x->bridge);
	turns(x, 2);
	assert_int_equal(x->closed, 0); /* closing is quiet */
	assert_true(x->a.is_aborted && x->b.is_aborted);
}

static void test_a_side_that_is_over_in_order_ends_the_bridge_in_order(void **state)
{
	struct fixture *x = *state;

	fakes_init(x, 0, FAKE_LENDS_BYTES);
	x->a.in_end = ERR_AGAIN; /* the visitor stays */
	x->b.in_end = ERR_CLOSED;
	bridge_fakes(x);
	turns(x, 50);
	assert_int_equal(x->closed, 1);
	assert_int_equal(x->end.rc, ERR_OK);
	assert_int_equal(x->a.out_n, sizeof(x->b_data)); /* all of it arrived first */
	assert_false(x->a.is_aborted || x->b.is_aborted);
}

/* b has ended, and a was told, which says nothing yet. */
static void half_close(struct fixture *x, uint32_t limit_ms)
{
	struct bridge_options options;

	fakes_init(x, 0, 0);
	x->a.in = span_of(NULL, 0);
	x->a.in_end = ERR_AGAIN;
	options = bridge_options(x);
	options.half_closed_ms = limit_ms;
	assert_int_equal(bridge_open(&options, &x->bridge), ERR_OK);
	turns(x, 50);
	assert_true(x->a.is_finished);
	assert_int_equal(x->closed, 0);
}

static void test_half_a_bridge_has_an_idle_limit(void **state)
{
	struct fixture *x = *state;

	half_close(x, 1000);
	for (unsigned i = 0; i < 20; i++) { /* each byte restarts the timer */
		time_pass(x->loop, 900);
		assert_int_equal(x->closed, 0);
		x->a.in = span_of(x->a_data + i, 1);
		fake_want(&x->a.stream, x->a.wants);
		turns(x, 3);
	}
	time_pass(x->loop, 999);
	assert_int_equal(x->closed, 0);
	time_pass(x->loop, 1);
	turns(x, 2);
	assert_int_equal(x->closed, 1);
	assert_int_equal(x->end.rc, ERR_TIMEOUT);
	assert_true(x->end.a_broke);
	assert_int_equal(x->end.a_to_b_bytes, 20);
	assert_true(x->a.is_aborted && x->b.is_aborted);
}

static void test_half_a_bridge_that_ends_is_no_timeout(void **state)
{
	struct fixture *x = *state;

	half_close(x, 1000);
	x->a.in_end = ERR_EOF;
	fake_want(&x->a.stream, x->a.wants);
	turns(x, 5);
	assert_int_equal(x->closed, 1);
	assert_int_equal(x->end.rc, ERR_OK);
	time_pass(x->loop, 5000);
	assert_int_equal(x->closed, 1);
}

/* Only the end of b begins it: b may take its time to answer all of a. */
static void test_a_whole_bridge_and_the_other_half_have_no_limit(void **state)
{
	struct fixture *x = *state;
	struct bridge_options options;

	half_close(x, 0);
	time_pass(x->loop, 86400000);
	assert_int_equal(x->closed, 0);
	bridge_close(x->bridge);
	turns(x, 2);
	for (unsigned i = 0; i < 2; i++) {
		fakes_init(x, 0, 0);
		x->a.in_end = i == 0 ? ERR_AGAIN : ERR_EOF;
		x->b.in_end = ERR_AGAIN;
		options = bridge_options(x);
		options.half_closed_ms = 1000;
		assert_int_equal(bridge_open(&options, &x->bridge), ERR_OK);
		turns(x, 50);
		time_pass(x->loop, 86400000);
		assert_int_equal(x->closed, 0);
		assert_int_equal(x->b.is_finished, i == 1);
		bridge_close(x->bridge);
		turns(x, 2);
	}
}

static void test_lent_room_is_filled_once_in_a_turn(void **state)
{
	struct fixture *x = *state;

	fakes_init(x, 0, FAKE_LENDS_ROOM);
	x->b.in = span_of(NULL, 0);
	x->b.in_end = ERR_AGAIN;
	bridge_fakes(x);
	turns(x, 10);
	assert_in_range(x->b.commits, 5, 10);
	assert_int_equal(x->b.wants & LOOP_WRITE, LOOP_WRITE);
	bridge_close(x->bridge);
	turns(x, 1);
}

static void test_an_idle_bridge_is_small_and_holds_no_block(void **state)
{
	struct fixture *x = *state;

	fakes_init(x, 0, 0);
	x->a.in_end = x->b.in_end = ERR_AGAIN;
	bridge_fakes(x);
	turns(x, 50);
	assert_int_equal(x->b.out_n, sizeof(x->a_data));
	assert_int_equal(x->pool.kept, 1); /* the only one that was ever taken */
	assert_int_equal(x->a.wants, LOOP_READ);
	assert_true(malloc_usable_size(x->bridge) <= 256);
	bridge_close(x->bridge);
	turns(x, 1);
}

/* ---- over sockets ---- */

static unsigned count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

static void bridge_sockets(struct fixture *x, int a, int b)
{
	struct bridge_options options = bridge_options(x);

	assert_int_equal(socket_open_take(x->loop, a, &options.a), ERR_OK);
	assert_int_equal(socket_open_take(x->loop, b, &options.b), ERR_OK);
	x->closed = 0;
	assert_int_equal(bridge_open(&options, &x->bridge), ERR_OK);
}

static void carry_both_ways(struct fixture *x, void (*pair)(int ends[2]), size_t n)
{
	unsigned descriptors = count_descriptors();
	int a[2], b[2];
	struct talk talk;

	pair(a);
	pair(b);
	talk_begin(&talk, a[0], b[0], n);
	bridge_sockets(x, a[1], b[1]);
	loop_run(x->loop);
	assert_true(talk_end(&talk));
	assert_int_equal(x->end.rc, ERR_OK);
	assert_int_equal(x->end.a_to_b_bytes, n);
	assert_int_equal(x->end.b_to_a_bytes, n / 3);
	close(a[0]);
	close(b[0]);
	assert_int_equal(count_descriptors(), descriptors);
}

static void test_100_mb_pass_between_sockets(void **state)
{
	struct fixture *x = *state;

	pool_fini(&x->pool);
	pool_init(&x->pool, 65536, 8);
	carry_both_ways(x, tcp_pair, 100 * 1000 * 1000);
	carry_both_ways(x, unix_pair, 10 * 1000 * 1000);
}

static void test_small_blocks_carry_the_same_bytes(void **state)
{
	carry_both_ways(*state, tcp_pair, 3 * 1000 * 1000);
	carry_both_ways(*state, unix_pair, 1 * 1000 * 1000);
	carry_both_ways(*state, tcp_pair, 0);
}

/* An eventfd passes for a socket until it is spliced. */
static void test_what_cannot_be_spliced_is_copied(void **state)
{
	struct fixture *x = *state;
	struct bridge_options options;
	int events = eventfd(0, EFD_CLOEXEC), ends[2];

	fakes_init(x, 0, 0);
	x->a.stream.fd = x->b.stream.fd = events;
	bridge_fakes(x);
	loop_run(x->loop);
	assert_all_arrived(x);

	/* Now the source can, and the destination cannot:
	 * what is in the pipe comes back. */
	fakes_init(x, 0, 0);
	x->b.stream.fd = events;
	unix_pair(ends);
	assert_int_equal(write(ends[0], x->a_data, DATA_BYTES), DATA_BYTES);
	shutdown(ends[0], SHUT_WR);
	options = bridge_options(x);
	assert_int_equal(socket_open_take(x->loop, ends[1], &options.a), ERR_OK);
	assert_int_equal(bridge_open(&options, &x->bridge), ERR_OK);
	loop_run(x->loop);
	assert_int_equal(x->end.rc, ERR_OK);
	assert_int_equal(x->b.out_n, DATA_BYTES);
	assert_memory_equal(x->b.out, x->a_data, DATA_BYTES);
	close(ends[0]);
	close(events);
}

static void test_a_reset_reaches_the_other_side(void **state)
{
	struct fixture *x = *state;
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	int a[2], b[2];
	char byte;

	tcp_pair(a);
	tcp_pair(b);
	bridge_sockets(x, a[1], b[1]);
	turns(x, 2);
	assert_int_equal(setsockopt(a[0], SOL_SOCKET, SO_LINGER, &at_once,
				 sizeof(at_once)),
		0);
	close(a[0]);
	loop_run(x->loop);
	assert_int_equal(x->end.rc, ERR_RESET);
	assert_true(x->end.a_broke);
	assert_int_equal(recv(b[0], &byte, 1, 0), -1);
	assert_int_equal(errno, ECONNRESET);
	close(b[0]);
}

/* Both sides of a bridge after @a, or @b, has sent its last byte:
 * nothing is asked of it. */
static void test_a_reset_after_the_last_byte_reaches_the_other_side(void **state)
{
	struct fixture *x = *state;
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	char byte;

	for (int first = 0; first < 2; first++) {
		int a[2], b[2];
		int breaks, stays;

		tcp_pair(a);
		tcp_pair(b);
		bridge_sockets(x, a[1], b[1]);
		breaks = first == 0 ? a[0] : b[0];
		stays = first == 0 ? b[0] : a[0];
		shutdown(breaks, SHUT_WR);
		turns(x, 3);
		assert_int_equal(recv(stays, &byte, 1, 0), 0);
		assert_int_equal(setsockopt(breaks, SOL_SOCKET, SO_LINGER, &at_once,
					 sizeof(at_once)),
			0);
		close(breaks);
		loop_run(x->loop);
		assert_int_equal(x->end.rc, ERR_RESET);
		assert_int_equal(x->end.a_broke, first == 0);
		assert_int_equal(send(stays, "x", 1, MSG_NOSIGNAL), -1);
		close(stays);
		x->closed = 0;
	}
}

/* What came before the reset is delivered as far as the other side takes it. */
static void test_a_reset_does_not_overtake_bytes(void **state)
{
	struct fixture *x = *state;
	struct bridge_options options;
	struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	int ends[2];

	fakes_init(x, 0, 0);
	x->b.is_stuck = true;
	x->b.in = span_of(NULL, 0);
	x->b.in_end = ERR_AGAIN;
	tcp_pair(ends);
	options = bridge_options(x);
	assert_int_equal(socket_open_take(x->loop, ends[1], &options.a), ERR_OK);
	assert_int_equal(bridge_open(&options, &x->bridge), ERR_OK);
	assert_int_equal(send(ends[0], x->a_data, 500, 0), 500);
	turns(x, 3);
	setsockopt(ends[0], SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(ends[0]);
	turns(x, 3);
	assert_int_equal(x->closed, 0);
	x->b.is_stuck = false;
	stream_want(&x->b.stream, x->b.wants);
	turns(x, 10);
	assert_int_equal(x->closed, 1);
	assert_int_equal(x->end.rc, ERR_RESET);
	assert_int_equal(x->b.out_n, 500);
}

#define bridge_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		bridge_test(test_every_byte_arrives_by_every_way),
		bridge_test(test_the_owner_may_see_the_bytes),
		bridge_test(test_one_side_may_answer_after_the_other_has_finished),
		bridge_test(test_a_side_that_breaks_at_any_call_ends_both),
		bridge_test(test_first_bytes_come_first),
		bridge_test(test_too_many_first_bytes_take_nothing),
		bridge_test(test_a_destination_that_takes_nothing_stops_the_source),
		bridge_test(test_a_side_that_is_over_in_order_ends_the_bridge_in_order),
		bridge_test(test_half_a_bridge_has_an_idle_limit),
		bridge_test(test_half_a_bridge_that_ends_is_no_timeout),
		bridge_test(test_a_whole_bridge_and_the_other_half_have_no_limit),
		bridge_test(test_lent_room_is_filled_once_in_a_turn),
		bridge_test(test_an_idle_bridge_is_small_and_holds_no_block),
		bridge_test(test_100_mb_pass_between_sockets),
		bridge_test(test_small_blocks_carry_the_same_bytes),
		bridge_test(test_what_cannot_be_spliced_is_copied),
		bridge_test(test_a_reset_reaches_the_other_side),
		bridge_test(test_a_reset_after_the_last_byte_reaches_the_other_side),
		bridge_test(test_a_reset_does_not_overtake_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
