/* Behaviour of sessions over time, which is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "loop/timer_test.h"
#include "tunnel/chisel/session_pair_test.h"

#define START_MS 1000000

static int setup(void **state)
{
	time_begin(START_MS);
	return pair_setup(state);
}

/* Lets time pass in steps that both ends have time to answer in. */
static void pass(struct pair *p, uint64_t ms)
{
	for (uint64_t step; ms > 0; ms -= step) {
		step = ms < 100 ? ms : 100;
		time_pass(p->worker.loop, step);
		for (int i = 0; i < 20; i++)
			loop_turn(p->worker.loop);
	}
}

static void up(struct pair *p, uint32_t keepalive_ms)
{
	p->tuning.keepalive_ms = keepalive_ms;
	pair_up(p);
}

static void test_pings_keep_an_idle_session_alive(void **state)
{
	struct pair *p = *state;

	up(p, 25000);
	pass(p, 600000);
	assert_int_equal(p->client.closes + p->server.closes, 0);
}

static void test_a_silent_peer_is_closed(void **state)
{
	struct pair *p = *state;

	up(p, 25000);
	pass(p, 20000);
	p->pipe.a.is_lost = p->pipe.b.is_lost = true;
	pass(p, 5000 + 7000);
	assert_int_equal(p->client.closes + p->server.closes, 0);
	pass(p, 2000);
	assert_int_equal(p->client.closes, 1);
	assert_int_equal(p->server.closes, 1);
	assert_int_equal(p->client.rc, ERR_TIMEOUT);
}

static void test_a_silent_peer_is_detected_earlier_in_use(void **state)
{
	struct pair *p = *state;
	struct channel *ch;

	up(p, 25000);
	pass(p, 2000);
	p->pipe.a.is_lost = p->pipe.b.is_lost = true;
	(void)pair_dial(&p->client, &ch);
	pass(p, 1000 + 9000);
	assert_int_equal(p->client.closes, 1);
	assert_int_equal(p->client.rc, ERR_TIMEOUT);
}

static void test_without_keepalive_a_silent_peer_is_kept(void **state)
{
	struct pair *p = *state;

	up(p, 0);
	p->pipe.a.is_lost = p->pipe.b.is_lost = true;
	pass(p, 200000);
	assert_int_equal(p->client.closes + p->server.closes, 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, pair_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_pings_keep_an_idle_session_alive),
		TEST(test_a_silent_peer_is_closed),
		TEST(test_a_silent_peer_is_detected_earlier_in_use),
		TEST(test_without_keepalive_a_silent_peer_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
