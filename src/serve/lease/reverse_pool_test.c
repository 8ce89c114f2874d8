/* Tests of reverse sessions and claims:
 * which claim gets which session, in what order, and what is sent. */
#include "serve/lease/reverse_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"
#include "net/pipe_test.h"
#include "wire/marker.h"

#define SESSIONS 12

struct waiter {
	struct claim claim;
	struct stream *session;
	enum err rc;
	unsigned ends;
};

struct fixture {
	struct loop *loop;
	struct reverse_pool *pool;
	struct pipe_pair pairs[SESSIONS]; /* a is the relay's end */
	struct addr clients[SESSIONS];    /* 192.0.2.1 and so on */
	atomic_uint ready;
	atomic_uint_fast64_t sessions;
};

static int setup(void **state)
{
	struct fixture *f = mem_new(f);
	struct reverse_pool_options o;

	clock_freeze(1000000);
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	o = (struct reverse_pool_options){ .loop = f->loop,
		.ready = &f->ready,
		.sessions = &f->sessions };
	assert_int_equal(reverse_pool_new(&o, &f->pool), ERR_OK);
	for (unsigned i = 0; i < SESSIONS; i++)
		pipe_pair_init(&f->pairs[i], f->loop);
	for (unsigned i = 0; i < SESSIONS; i++) {
		char text[32];

		snprintf(text, sizeof(text), "192.0.2.%u", i + 1);
		assert_int_equal(addr_from_literal(text, 0, &f->clients[i]), ERR_OK);
	}
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	if (f->pool != NULL)
		carrier_close(reverse_pool_carrier(f->pool));
	loop_turn(f->loop);
	assert_int_equal(f->ready, 0);
	assert_int_equal(f->sessions, 0);
	for (unsigned i = 0; i < SESSIONS; i++)
		pipe_pair_fini(&f->pairs[i]);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void add(struct fixture *f, unsigned i)
{
	reverse_pool_add_take(f->pool, &f->pairs[i].a.stream, &f->clients[i]);
}

static void on_end(void *arg, enum err rc, struct stream *session)
{
	struct waiter *w = arg;

	w->ends++;
	w->rc = rc;
	w->session = session;
}

/* @first: the marker, and the bytes of the visitor. */
static void claim(struct fixture *f, struct waiter *w, const char *first)
{
	*w = (struct waiter){ .claim = { .is_raw = first[0] == MARKER_RAW,
				      .first = span_str(first + 1),
				      .on_end = on_end,
				      .arg = w } };
	claim_open(reverse_pool_carrier(f->pool), &w->claim);
	assert_int_equal(w->ends, 0); /* not called by claim() */
}

static void turn(struct fixture *f)
{
	for (int i = 0; i < 3; i++)
		loop_turn(f->loop);
}

static void pass(struct fixture *f, uint64_t ms)
{
	clock_advance(ms);
	reverse_pool_check(f->pool);
	turn(f);
}

static void assert_heard(struct fixture *f, unsigned i, const void *bytes, size_t n)
{
	assert_int_equal(f->pairs[i].b.in.n, n);
	if (n > 0)
		assert_memory_equal(buf_span(&f->pairs[i].b.in).p, bytes, n);
}

static void assert_served(struct fixture *f, const struct waiter *w, unsigned i)
{
	assert_int_equal(w->ends, 1);
	assert_int_equal(w->rc, ERR_OK);
	assert_ptr_equal(w->session, &f->pairs[i].a.stream);
	stream_close(w->session);
}

static void test_the_oldest_session_is_claimed_first(void **state)
{
	struct fixture *f = *state;
	struct waiter w[2];

	add(f, 0);
	add(f, 1);
	assert_int_equal(f->ready, 2);
	claim(f, &w[0], "\2one");
	claim(f, &w[1], "\1");
	assert_int_equal(f->ready, 0);
	turn(f);
	assert_served(f, &w[0], 0);
	assert_served(f, &w[1], 1);
	assert_heard(f, 0, "\2one", 4);
	assert_heard(f, 1, "\1", 1);
}

static void test_a_claim_waits_for_a_session(void **state)
{
	struct fixture *f = *state;
	struct waiter w[2];

	claim(f, &w[0], "\2a");
	claim(f, &w[1], "\2b");
	pass(f, REVERSE_POOL_CLAIM_MS - 1);
	assert_int_equal(w[0].ends, 0);
	add(f, 0);
	turn(f);
	assert_served(f, &w[0], 0);
	pass(f, 1);
	assert_int_equal(w[1].ends, 1);
	assert_int_equal(w[1].rc, ERR_TIMEOUT);
}

static void test_more_than_eight_idle_sessions_are_closed(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 9; i++)
		add(f, i);
	assert_int_equal(f->ready, 8);
	assert_true(f->pairs[8].a.is_closed);
	assert_false(f->pairs[7].a.is_closed);
}

static void test_idle_sessions_are_kept_alive(void **state)
{
	struct fixture *f = *state;
	struct waiter w;

	add(f, 0);
	pass(f, 14999);
	assert_heard(f, 0, "", 0);
	pass(f, 1);
	assert_heard(f, 0, "\0", 1);
	pass(f, 15000);
	claim(f, &w, "\2x");
	turn(f);
	assert_served(f, &w, 0);
	pass(f, 60000);
	assert_heard(f, 0, "\0\0\2x", 4); /* and nothing behind the activation */
}

static void test_a_keepalive_times_out_after_five_seconds(void **state)
{
	struct fixture *f = *state;
	struct waiter w;

	f->pairs[0].b.room = 0;
	add(f, 0);
	pass(f, 15000);
	claim(f, &w, "\2x"); /* it is not ready: the keepalive is in the way */
	add(f, 1);
	turn(f);
	assert_served(f, &w, 1);
	pass(f, 4999);
	assert_false(f->pairs[0].a.is_closed);
	pass(f, 1);
	assert_true(f->pairs[0].a.is_closed);
}

static void test_a_late_keepalive_frees_the_session(void **state)
{
	struct fixture *f = *state;
	struct waiter w;

	f->pairs[0].b.room = 0;
	add(f, 0);
	pass(f, 15000);
	claim(f, &w, "\2x");
	turn(f);
	assert_int_equal(w.ends, 0);
	f->pairs[0].b.room = 100;
	pipe_check(&f->pairs[0].a);
	turn(f);
	assert_served(f, &w, 0);
	assert_heard(f, 0, "\0\2x", 3);
}

static void test_a_session_that_closes_or_sends_data_is_dropped(void **state)
{
	struct fixture *f = *state;
	size_t put;

	add(f, 0);
	add(f, 1);
	stream_close(&f->pairs[0].b.stream);
	assert_int_equal(stream_put(&f->pairs[1].b.stream, "?", 1, &put), ERR_OK);
	turn(f);
	assert_true(f->pairs[0].a.is_closed);
	assert_true(f->pairs[1].a.is_closed);
	assert_int_equal(f->ready, 0);
}

/* Even before the loop reports it. */
static void test_a_claim_moves_on_from_a_dead_session(void **state)
{
	struct fixture *f = *state;
	struct waiter w;

	add(f, 0);
	add(f, 1);
	stream_close(&f->pairs[0].b.stream);
	claim(f, &w, "\2x");
	turn(f);
	assert_true(f->pairs[0].a.is_closed);
	assert_served(f, &w, 1);
}

static void test_a_claim_moves_on_from_a_stuck_activation(void **state)
{
	struct fixture *f = *state;
	struct waiter w;

	f->pairs[0].b.room = 2;
	add(f, 0);
	claim(f, &w, "\2hello");
	turn(f);
	assert_int_equal(w.ends, 0);
	assert_heard(f, 0, "\2h", 2);
	add(f, 1);
	pass(f, REVERSE_POOL_WRITE_MS);
	assert_true(f->pairs[0].a.is_closed);
	assert_served(f, &w, 1);
	assert_heard(f, 1, "\2hello", 6);
}

static void test_a_cancelled_claim_is_not_called(void **state)
{
	struct fixture *f = *state;
	struct waiter w[3];

	f->pairs[0].b.room = 1;
	add(f, 0);
	claim(f, &w[0], "\2x"); /* in the middle */
	claim(f, &w[1], "\2x"); /* waits */
	claim_cancel(&w[0].claim);
	claim_cancel(&w[1].claim);
	add(f, 1);
	claim(f, &w[2], "\2x"); /* has ended, but does not know it */
	claim_cancel(&w[2].claim);
	claim_cancel(&w[2].claim);
	turn(f);
	assert_true(f->pairs[0].a.is_closed);
	assert_true(f->pairs[1].a.is_closed);
	for (int i = 0; i < 3; i++)
		assert_int_equal(w[i].ends, 0);
}

static void test_the_end_of_a_pool_ends_claims(void **state)
{
	struct fixture *f = *state;
	struct reverse_pool_options o = { .loop = f->loop,
		.ready = &f->ready,
		.sessions = &f->sessions };
	struct waiter w[2];

	f->pairs[0].b.room = 1;
	add(f, 0);
	claim(f, &w[0], "\2x");
	claim(f, &w[1], "\2x");
	carrier_close(reverse_pool_carrier(f->pool));
	turn(f);
	for (int i = 0; i < 2; i++)
		assert_int_equal(w[i].rc, ERR_CLOSED);
	assert_true(f->pairs[0].a.is_closed);
	assert_int_equal(reverse_pool_new(&o, &f->pool), ERR_OK);
}

/* Sessions die one after the other: the oldest claim gets the first live one. */
static void test_claims_keep_their_order_over_dead_sessions(void **state)
{
	struct fixture *f = *state;
	struct waiter w[3];

	for (int i = 0; i < 3; i++)
		claim(f, &w[i], "\2x");
	for (unsigned i = 0; i < 4; i++) {
		stream_close(&f->pairs[i].b.stream);
		add(f, i);
		assert_true(f->pairs[i].a.is_closed);
	}
	for (unsigned i = 0; i < 3; i++)
		add(f, 4 + i);
	turn(f);
	for (unsigned i = 0; i < 3; i++)
		assert_served(f, &w[i], 4 + i);
	assert_int_equal(f->ready, 0);
}

/* An expired claim does not get the session that becomes idle at the same time. */
static void test_a_claim_that_moves_on_still_times_out_after_ten_seconds(void **state)
{
	struct fixture *f = *state;
	struct waiter w;

	claim(f, &w, "\2hello");
	pass(f, REVERSE_POOL_CLAIM_MS - 1000);
	f->pairs[0].b.room = 2;
	add(f, 0); /* accepts half of it and no more */
	pass(f, REVERSE_POOL_WRITE_MS);
	assert_int_equal(w.ends, 1);
	assert_int_equal(w.rc, ERR_TIMEOUT);
	assert_null(w.session);
	assert_true(f->pairs[0].a.is_closed);
}

struct again {
	struct fixture *f;
	struct claim claim;
	unsigned ends;
	struct stream *session;
	bool frees; /* the pool, the first time */
};

static void again_on_end(void *arg, enum err rc, struct stream *session)
{
	struct again *a = arg;

	a->ends++;
	a->session = session;
	if (rc == ERR_OK)
		return;
	if (a->frees) {
		carrier_close(reverse_pool_carrier(a->f->pool));
		a->f->pool = NULL;
		return;
	}
	claim_open(reverse_pool_carrier(a->f->pool), &a->claim);
}

static void test_a_claim_may_follow_from_on_end(void **state)
{
	struct fixture *f = *state;
	struct again a = { .f = f };

	a.claim = (struct claim){ .first = span_str("\2x"),
		.on_end = again_on_end,
		.arg = &a };
	claim_open(reverse_pool_carrier(f->pool), &a.claim);
	pass(f, REVERSE_POOL_CLAIM_MS);
	assert_int_equal(a.ends, 1);
	add(f, 0);
	turn(f);
	assert_int_equal(a.ends, 2);
	assert_ptr_equal(a.session, &f->pairs[0].a.stream);
	stream_close(a.session);
}

static void test_the_pool_may_be_closed_from_on_end(void **state)
{
	struct fixture *f = *state;
	struct reverse_pool_options o = { .loop = f->loop,
		.ready = &f->ready,
		.sessions = &f->sessions };
	struct again a = { .f = f, .frees = true };
	struct waiter w;

	a.claim = (struct claim){ .first = span_str("\2x"),
		.on_end = again_on_end,
		.arg = &a };
	claim_open(reverse_pool_carrier(f->pool), &a.claim);
	clock_advance(1);
	claim(f, &w, "\2x");
	pass(f, REVERSE_POOL_CLAIM_MS - 1);
	assert_int_equal(a.ends, 1);
	assert_int_equal(w.rc, ERR_CLOSED);
	assert_int_equal(reverse_pool_new(&o, &f->pool), ERR_OK);
}

/* Idle, or being given to a visitor, which then waits for another one. */
static void test_sessions_of_banned_clients_are_dropped(void **state)
{
	struct fixture *f = *state;
	struct prefix_set banned = { .n = 0 };
	struct prefix p;
	struct waiter w;

	assert_int_equal(prefix_parse(span_str("192.0.2.2/31"), &p), ERR_OK);
	assert_int_equal(prefix_set_add(&banned, &p), ERR_OK);
	for (unsigned i = 0; i < 4; i++)
		add(f, i);
	carrier_drop(reverse_pool_carrier(f->pool), &banned);
	turn(f);
	assert_int_equal(f->ready, 2); /* 192.0.2.1 and .4 */
	claim(f, &w, "\x02");
	turn(f);
	assert_served(f, &w, 0);
	assert_true(prefix_of_client(&w.claim.agent, 48, &p));
	assert_int_equal(p.bytes[15], 1);
	claim(f, &w, "\x02");
	turn(f);
	assert_served(f, &w, 3);
	claim(f, &w, "\x02");
	turn(f);
	assert_int_equal(w.ends, 0);
	claim_cancel(&w.claim);
	prefix_set_fini(&banned);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_the_oldest_session_is_claimed_first),
		TEST(test_a_claim_waits_for_a_session),
		TEST(test_more_than_eight_idle_sessions_are_closed),
		TEST(test_idle_sessions_are_kept_alive),
		TEST(test_a_keepalive_times_out_after_five_seconds),
		TEST(test_a_late_keepalive_frees_the_session),
		TEST(test_a_session_that_closes_or_sends_data_is_dropped),
		TEST(test_a_claim_moves_on_from_a_dead_session),
		TEST(test_a_claim_moves_on_from_a_stuck_activation),
		TEST(test_a_cancelled_claim_is_not_called),
		TEST(test_the_end_of_a_pool_ends_claims),
		TEST(test_claims_keep_their_order_over_dead_sessions),
		TEST(test_a_claim_that_moves_on_still_times_out_after_ten_seconds),
		TEST(test_a_claim_may_follow_from_on_end),
		TEST(test_the_pool_may_be_closed_from_on_end),
		TEST(test_sessions_of_banned_clients_are_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
