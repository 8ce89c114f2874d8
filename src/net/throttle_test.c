/* Tests of throttles: how much passes in a time, whose turn it is, and changes of
 * rate. */
#include "net/throttle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/timer_test.h"
#include "net/fake_test.h"

#define RATE 1000
#define USERS 3

static const uint8_t bytes[1000000];

/* Reads and writes as much as it can, whenever it is told to. */
struct user {
	struct fake fake;
	struct stream *stream; /* NULL once it has closed it */
	unsigned wants;
	size_t got, put, moved_in, moved_out;
	size_t closes_at;    /* with so many bytes in both directions; 0: never */
	struct user *closes; /* the user to close then */
	enum err rc;
};

struct fixture {
	struct loop *loop;
	struct throttle_bucket *bucket;
	struct user users[USERS];
	size_t passed;
};

static void user_close(struct user *u)
{
	stream_close(u->stream);
	u->stream = NULL;
}

/* True: it, or another, is gone now. */
static bool user_has_had_enough(struct user *u)
{
	if (u->closes_at == 0 || u->got + u->put < u->closes_at)
		return false;
	u->closes_at = 0;
	user_close(u->closes);
	return true;
}

static bool user_read(struct user *u)
{
	uint8_t to[64];
	size_t n;
	enum err rc = stream_read(u->stream, to, sizeof(to), &n);

	if (rc != ERR_OK) {
		u->rc = rc;
		return false;
	}
	u->got += n;
	return true;
}

static bool user_write(struct user *u)
{
	struct iovec iov[2] = { { .iov_base = (void *)(uintptr_t)bytes, .iov_len = 40 },
		{ .iov_base = (void *)(uintptr_t)bytes, .iov_len = 24 } };
	size_t n;
	enum err rc = stream_write(u->stream, iov, 2, &n);

	if (rc != ERR_OK) {
		u->rc = rc;
		return false;
	}
	u->put += n;
	return true;
}

static void user_on_ready(void *arg, unsigned ready)
{
	struct user *u = arg;

	assert_int_not_equal(ready, 0);
	assert_int_equal(ready & ~u->wants, 0);
	while ((ready & LOOP_READ) != 0 && user_read(u))
		if (user_has_had_enough(u) && u->stream == NULL)
			return;
	while ((ready & LOOP_WRITE) != 0 && user_write(u))
		if (user_has_had_enough(u) && u->stream == NULL)
			return;
	stream_want(u->stream, u->wants);
}

static void user_on_moved(void *arg, bool is_read, size_t n)
{
	struct user *u = arg;

	if (is_read)
		u->moved_in += n;
	else
		u->moved_out += n;
}

static void user_want(struct user *u, unsigned wants)
{
	u->wants = wants;
	stream_want(u->stream, wants);
}

static void user_open(struct user *u, struct fixture *f, unsigned lends)
{
	struct throttle_options o = { .bucket = f->bucket,
		.below = &u->fake.stream,
		.on_moved = user_on_moved,
		.arg = u };

	*u = (struct user){ .rc = ERR_OK };
	fake_init(&u->fake, f->loop, lends);
	u->fake.in = span_of(bytes, sizeof(bytes));
	assert_int_equal(throttle_open(&o, &u->stream), ERR_OK);
	stream_set_owner(u->stream, user_on_ready, u);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);

	assert_non_null(f);
	time_begin(1000000);
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	assert_int_equal(throttle_bucket_new(f->loop, RATE, &f->bucket), ERR_OK);
	for (int i = 0; i < USERS; i++)
		user_open(&f->users[i], f, 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < USERS; i++) {
		struct user *u = &f->users[i];

		assert_int_equal(u->got, u->moved_in);
		assert_int_equal(u->put, u->moved_out);
		user_close(u);
		assert_true(u->fake.is_closed);
		fake_fini(&u->fake);
	}
	throttle_bucket_unref(f->bucket);
	loop_turn(f->loop);
	loop_free(f->loop);
	assert_true(list_is_empty(&time_all));
	free(f);
	return 0;
}

/* What has passed since the last time that this was asked. */
static size_t passed(struct fixture *f)
{
	size_t before = f->passed;

	f->passed = 0;
	for (int i = 0; i < USERS; i++)
		f->passed += f->users[i].moved_in + f->users[i].moved_out;
	return f->passed - before;
}

static void test_a_burst_of_a_second_and_then_the_rate(void **state)
{
	struct fixture *f = *state;

	user_want(&f->users[0], LOOP_READ);
	time_settle(f->loop);
	assert_int_equal(f->users[0].got, RATE);
	time_pass(f->loop, 500);
	assert_in_range(f->users[0].got, RATE * 14 / 10, RATE * 15 / 10);
	time_pass(f->loop, 9500);
	assert_in_range(f->users[0].got, RATE * 109 / 10, RATE * 11);
}

static void test_what_is_written_is_bounded_likewise(void **state)
{
	struct fixture *f = *state;

	user_want(&f->users[0], LOOP_WRITE);
	time_settle(f->loop);
	assert_int_equal(f->users[0].put, RATE);
	time_pass(f->loop, 10000);
	assert_in_range(f->users[0].put, RATE * 109 / 10, RATE * 11);
	assert_int_equal(f->users[0].fake.out_n, f->users[0].put);
}

static void test_both_directions_share_the_rate(void **state)
{
	struct fixture *f = *state;
	struct user *u = f->users;

	user_want(&u[0], LOOP_READ | LOOP_WRITE);
	user_want(&u[1], LOOP_WRITE);
	time_settle(f->loop);
	assert_int_equal(passed(f), RATE);
	time_pass(f->loop, 10000);
	assert_in_range(passed(f), RATE * 99 / 10, RATE * 10);
	assert_in_range(u[1].put, RATE * 4, RATE * 7);
	assert_in_range(u[0].got + u[0].put, RATE * 4, RATE * 7);
}

static void test_waiting_streams_get_turns(void **state)
{
	struct fixture *f = *state;
	size_t before[USERS];

	for (int i = 0; i < USERS; i++)
		user_want(&f->users[i], LOOP_READ);
	time_settle(f->loop);
	assert_int_equal(passed(f), RATE);
	for (int i = 0; i < USERS; i++)
		before[i] = f->users[i].got;
	time_pass(f->loop, 3000);
	for (int i = 0; i < USERS; i++)
		assert_in_range(f->users[i].got - before[i], RATE - RATE / 5,
			RATE + RATE / 5);
}

/* A user that has nothing to read, or does not want to read, uses no share. */
static void test_an_unused_turn_is_given_back(void **state)
{
	struct fixture *f = *state;
	struct user *u = f->users;

	for (int i = 0; i < USERS; i++)
		user_want(&u[i], LOOP_READ);
	time_settle(f->loop);
	u[1].fake.in = span_of(bytes, 0);
	u[1].fake.in_end = ERR_AGAIN;
	user_want(&u[2], 0);
	(void)passed(f);
	time_pass(f->loop, 2000);
	assert_in_range(passed(f), RATE * 19 / 10, RATE * 2);
	assert_true(list_is_empty(&u[1].fake.tick.in_loop));
}

/* Unused time is worth a burst of a second's and no more. */
static void test_a_pause_is_worth_a_burst(void **state)
{
	struct fixture *f = *state;

	user_want(&f->users[0], LOOP_READ);
	time_settle(f->loop);
	user_want(&f->users[0], 0);
	time_pass(f->loop, 60000);
	(void)passed(f);
	user_want(&f->users[0], LOOP_READ);
	time_settle(f->loop);
	time_pass(f->loop, 1);
	assert_in_range(passed(f), RATE, RATE + 1);
}

static void test_no_limit_is_at_once(void **state)
{
	struct fixture *f = *state;
	struct user *u = f->users;

	user_want(&u[0], LOOP_READ);
	user_want(&u[1], LOOP_READ);
	time_settle(f->loop);
	throttle_bucket_set_rate(f->bucket, 0);
	time_pass(f->loop, 1);
	assert_int_equal(u[0].got + u[1].got, 2 * sizeof(bytes));
	assert_int_equal(u[0].rc, ERR_EOF);
}

static void test_a_limit_holds_for_what_runs_already(void **state)
{
	struct fixture *f = *state;
	struct user *u = &f->users[0];

	throttle_bucket_set_rate(f->bucket, 0);
	user_want(u, LOOP_READ);
	u->fake.in = span_of(bytes, 5000);
	u->fake.in_end = ERR_AGAIN;
	time_settle(f->loop);
	assert_int_equal(passed(f), 5000);
	throttle_bucket_set_rate(f->bucket, RATE);
	u->fake.in = span_of(bytes, sizeof(bytes));
	user_want(u, LOOP_READ);
	time_settle(f->loop);
	assert_int_equal(passed(f), RATE);
	time_pass(f->loop, 1000);
	assert_in_range(passed(f), RATE * 9 / 10, RATE);
}

static void test_a_rate_is_raised_and_lowered_while_bytes_wait(void **state)
{
	struct fixture *f = *state;

	user_want(&f->users[0], LOOP_READ);
	user_want(&f->users[1], LOOP_WRITE);
	time_pass(f->loop, 1000);
	(void)passed(f);
	throttle_bucket_set_rate(f->bucket, 20 * RATE);
	time_pass(f->loop, 2000);
	assert_in_range(passed(f), 38 * RATE, 40 * RATE);
	throttle_bucket_set_rate(f->bucket, RATE / 10);
	time_settle(f->loop);
	(void)passed(f);
	time_pass(f->loop, 10000);
	assert_in_range(passed(f), RATE * 9 / 10, RATE + RATE / 10);
}

/* Whatever was saved up at a high rate is not worth more than a second of the low one. */
static void test_a_lower_rate_takes_savings_away(void **state)
{
	struct fixture *f = *state;

	throttle_bucket_set_rate(f->bucket, 100 * RATE);
	time_pass(f->loop, 5000);
	throttle_bucket_set_rate(f->bucket, RATE);
	user_want(&f->users[0], LOOP_READ);
	time_settle(f->loop);
	assert_int_equal(passed(f), RATE);
}

static void test_a_tiny_rate_moves_on(void **state)
{
	struct fixture *f = *state;

	throttle_bucket_set_rate(f->bucket, 1);
	for (int i = 0; i < USERS; i++)
		user_want(&f->users[i], LOOP_READ);
	time_settle(f->loop);
	assert_int_equal(passed(f), 1);
	time_pass(f->loop, 30000);
	assert_in_range(passed(f), 29, 30);
	for (int i = 0; i < USERS; i++)
		assert_in_range(f->users[i].got, 9, 12);
}

/* More than a turn's worth, with a rate that would overflow if it were believed. */
static void test_a_huge_rate_is_no_bound(void **state)
{
	struct fixture *f = *state;

	throttle_bucket_set_rate(f->bucket, UINT64_MAX);
	user_want(&f->users[0], LOOP_READ);
	time_pass(f->loop, 1);
	assert_int_equal(f->users[0].got, sizeof(bytes));
}

/* ---- closing ---- */

static void test_it_may_be_closed_in_its_own_turn(void **state)
{
	struct fixture *f = *state;
	struct user *u = f->users;

	for (int i = 0; i < USERS; i++) {
		u[i].closes = &u[i];
		u[i].closes_at = 2 * RATE; /* past the burst: in a turn */
		user_want(&u[i], i == 0 ? LOOP_WRITE : LOOP_READ);
	}
	time_pass(f->loop, 9000);
	for (int i = 0; i < USERS; i++)
		assert_null(u[i].stream);
	assert_in_range(passed(f), 3 * 2 * RATE, 3 * 2 * RATE + 3 * 64);
}

static void test_another_may_be_closed_in_a_turn(void **state)
{
	struct fixture *f = *state;
	struct user *u = f->users;

	u[0].closes = &u[1]; /* the next in the queue */
	u[0].closes_at = RATE + RATE / 20;
	for (int i = 0; i < USERS; i++)
		user_want(&u[i], LOOP_READ);
	time_pass(f->loop, 2000);
	assert_null(u[1].stream);
	(void)passed(f);
	time_pass(f->loop, 1000);
	assert_in_range(passed(f), RATE * 9 / 10, RATE);
	assert_true(u[2].got > 0);
}

static void test_the_last_stream_frees_the_bucket(void **state)
{
	struct fixture *f = *state;
	struct user *u = f->users;

	throttle_bucket_unref(f->bucket);
	f->bucket = NULL;
	user_close(&u[1]);
	user_close(&u[2]);
	u[0].closes = &u[0];
	u[0].closes_at = RATE + 64;
	user_want(&u[0], LOOP_READ);
	time_pass(f->loop, 1000);
	assert_null(u[0].stream);
	assert_true(list_is_empty(&time_all));
}

static void test_an_end_comes_through(void **state)
{
	struct fixture *f = *state;
	struct user *u = &f->users[0];

	u->fake.in = span_of(bytes, RATE + 10);
	user_want(u, LOOP_READ);
	time_settle(f->loop);
	assert_int_equal(u->rc, ERR_AGAIN);
	assert_int_equal(stream_finish(u->stream), ERR_OK);
	assert_true(u->fake.is_finished);
	time_pass(f->loop, 200);
	assert_int_equal(u->got, RATE + 10);
	assert_int_equal(u->rc, ERR_EOF);
	stream_abort(u->stream);
	u->stream = NULL;
	assert_true(u->fake.is_aborted);
}

/* ---- lending ---- */

static size_t lend_all(struct user *u)
{
	size_t all = 0;
	struct span lent = { 0 };

	while (u->stream->ops->peek(u->stream, &lent) == ERR_OK) {
		size_t n = lent.n < 70 ? lent.n : 70;

		u->stream->ops->consume(u->stream, n);
		all += n;
	}
	return all;
}

static size_t fill_all(struct user *u)
{
	size_t all = 0;
	struct mspan room = { 0 };

	while (u->stream->ops->reserve(u->stream, &room) == ERR_OK) {
		memset(room.p, 7, room.n);
		assert_int_equal(u->stream->ops->commit(u->stream, room.n), ERR_OK);
		all += room.n;
	}
	return all;
}

static void test_what_is_lent_is_bounded_too(void **state)
{
	struct fixture *f = *state;
	struct user *u = &f->users[0];

	for (unsigned lends = 0; lends < 4; lends++) {
		const struct stream_ops *ops;

		user_close(u);
		fake_fini(&u->fake);
		user_open(u, f, lends);
		ops = u->stream->ops;
		assert_int_equal(ops->peek != NULL, (lends & FAKE_LENDS_BYTES) != 0);
		assert_int_equal(ops->reserve != NULL, (lends & FAKE_LENDS_ROOM) != 0);
		time_pass(f->loop, 1000);
		if (ops->peek != NULL)
			assert_int_equal(u->got = lend_all(u), RATE);
		time_pass(f->loop, 1000);
		if (ops->reserve != NULL)
			assert_int_equal(u->put = fill_all(u), RATE);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_burst_of_a_second_and_then_the_rate),
		TEST(test_what_is_written_is_bounded_likewise),
		TEST(test_both_directions_share_the_rate),
		TEST(test_waiting_streams_get_turns),
		TEST(test_an_unused_turn_is_given_back),
		TEST(test_a_pause_is_worth_a_burst),
		TEST(test_no_limit_is_at_once),
		TEST(test_a_limit_holds_for_what_runs_already),
		TEST(test_a_rate_is_raised_and_lowered_while_bytes_wait),
		TEST(test_a_lower_rate_takes_savings_away),
		TEST(test_a_tiny_rate_moves_on),
		TEST(test_a_huge_rate_is_no_bound),
		TEST(test_it_may_be_closed_in_its_own_turn),
		TEST(test_another_may_be_closed_in_a_turn),
		TEST(test_the_last_stream_frees_the_bucket),
		TEST(test_an_end_comes_through),
		TEST(test_what_is_lent_is_bounded_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
