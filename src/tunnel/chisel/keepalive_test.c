/* Behaviour of keepalives: the tests pass the time and the state of the transport. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tunnel/chisel/keepalive.h"

#define START_MS 1000000
#define INTERVAL_MS 25000

/* A session with its transport and a peer. */
struct play {
	struct keepalive k;
	uint64_t now;
	struct stream_path path;
	bool has_path;
	uint64_t acked_ms;   /* when the transport heard last */
	unsigned pings;      /* sent so far */
	uint64_t answers_in; /* the peer answers a ping after so long; 0: never */
	uint64_t answer_ms;  /* when the next answer comes; 0: none is due */
	uint64_t due_ms;     /* the timer */
	bool is_dead;
};

static struct play play_start(bool has_path)
{
	struct play p = { .now = START_MS, .has_path = has_path, .answers_in = 20 };

	keepalive_init(&p.k, INTERVAL_MS, 0, p.now);
	p.path.rtt_ms = 20;
	p.acked_ms = p.now;
	return p;
}

static void play_look(struct play *p)
{
	p->path.quiet_ms = (uint32_t)(p->now - p->acked_ms);
	switch (keepalive_look(&p->k, p->has_path ? &p->path : NULL, p->now)) {
	case KEEPALIVE_DEAD:
		p->is_dead = true;
		break;
	case KEEPALIVE_PING:
		p->pings++;
		p->answer_ms = p->answers_in > 0 ? p->now + p->answers_in : 0;
		break;
	default:
		break;
	}
	p->due_ms = keepalive_due_ms(&p->k, p->now);
}

static void play_use(struct play *p, bool is_sent)
{
	keepalive_on_use(&p->k, is_sent, p->now);
	if (p->due_ms > p->now + KEEPALIVE_LOOK_MS)
		p->due_ms = keepalive_due_ms(&p->k, p->now);
}

/* Lets time pass, and looks whenever that is due. */
static void play_run(struct play *p, uint64_t ms)
{
	uint64_t end = p->now + ms;

	while (p->now < end && !p->is_dead) {
		p->now++;
		if (p->answer_ms != 0 && p->now >= p->answer_ms) {
			p->answer_ms = 0;
			keepalive_on_heard(&p->k, p->now);
			keepalive_on_pong(&p->k);
			p->due_ms = keepalive_due_ms(&p->k, p->now);
		}
		if (p->due_ms <= p->now)
			play_look(p);
	}
}

/* The path loses everything from now on. */
static void play_cut(struct play *p)
{
	p->answers_in = 0;
	p->answer_ms = 0;
}

static void play_send(struct play *p)
{
	play_use(p, true);
	p->path.is_waiting = true;
}

static void play_ack(struct play *p, uint64_t bytes, bool is_all)
{
	p->acked_ms = p->now;
	p->path.acked_bytes += bytes;
	p->path.is_waiting = !is_all;
}

/* How long until it is dead; 0: not within a minute. */
static uint64_t play_until_dead(struct play *p)
{
	uint64_t begin = p->now;

	play_run(p, 60000);
	return p->is_dead ? p->now - begin : 0;
}

static void test_an_idle_session_pings_at_the_interval(void **state)
{
	struct play p = play_start(true);

	(void)state;
	play_run(&p, 1000);
	assert_int_equal(p.pings, 1);
	play_run(&p, 3 * INTERVAL_MS);
	assert_int_equal(p.pings, 4);
	assert_false(p.is_dead);
}

static void test_an_idle_session_dies_of_an_unanswered_ping(void **state)
{
	struct play p;

	(void)state;
	for (int has_path = 0; has_path < 2; has_path++) {
		p = play_start(has_path != 0);
		play_run(&p, INTERVAL_MS - 1000);
		play_cut(&p);
		p.path.is_waiting = true;
		assert_in_range(play_until_dead(&p), 1000 + 7900, 1000 + 8100);
	}
}

static void test_a_short_interval_shortens_the_timeout(void **state)
{
	struct play p = play_start(true);

	(void)state;
	keepalive_init(&p.k, 2000, 0, p.now);
	play_run(&p, 500);
	play_cut(&p);
	assert_in_range(play_until_dead(&p), 1500 + 1900, 1500 + 2100);
}

static void test_without_an_interval_there_are_no_pings_and_no_dead_peers(void **state)
{
	struct play p = play_start(true);

	(void)state;
	keepalive_init(&p.k, 0, 0, p.now);
	play_cut(&p);
	play_send(&p);
	play_run(&p, 60000);
	assert_int_equal(p.pings, 0);
	assert_false(p.is_dead);
	assert_true(keepalive_due_ms(&p.k, p.now) == UINT64_MAX);
}

static void test_silence_after_use_causes_one_ping(void **state)
{
	struct play p = play_start(true);

	(void)state;
	play_run(&p, 5000);
	assert_int_equal(p.pings, 1);
	play_send(&p);
	play_ack(&p, 100, true);
	play_run(&p, 900);
	assert_int_equal(p.pings, 1);
	play_run(&p, 200);
	assert_int_equal(p.pings, 2);
	play_run(&p, 15000);
	assert_int_equal(p.pings, 2);

	play_use(&p, false); /* the same for what comes in */
	keepalive_on_heard(&p.k, p.now);
	play_run(&p, 1100);
	assert_int_equal(p.pings, 3);
	assert_false(p.is_dead);
}

static void test_traffic_needs_no_pings(void **state)
{
	struct play p = play_start(true);

	(void)state;
	play_run(&p, 100);
	for (int i = 0; i < 200; i++) {
		play_send(&p);
		play_run(&p, 50);
		play_ack(&p, 100, true);
		keepalive_on_heard(&p.k, p.now);
		play_use(&p, false);
	}
	assert_int_equal(p.pings, 1);
}

static void test_a_broken_path_is_detected_in_use(void **state)
{
	struct play p;

	(void)state;
	/* A visitor comes: what is sent for it arrives nowhere. */
	p = play_start(true);
	play_run(&p, 5000);
	play_cut(&p);
	play_send(&p);
	assert_in_range(play_until_dead(&p), 2900, 3500);

	/* A download stops: the ping that asks about it arrives nowhere. */
	p = play_start(true);
	play_run(&p, 5000);
	play_use(&p, false);
	keepalive_on_heard(&p.k, p.now);
	play_cut(&p);
	play_run(&p, 1000);
	p.path.is_waiting = true;
	assert_in_range(play_until_dead(&p), 2900, 3500);

	/* Nothing is known of the transport: the ping's timeout counts. */
	p = play_start(false);
	play_run(&p, 5000);
	play_cut(&p);
	play_send(&p);
	assert_in_range(play_until_dead(&p), 8900, 9200);
}

static void test_long_round_trips_have_a_longer_timeout(void **state)
{
	struct play p = play_start(true);

	(void)state;
	play_run(&p, 5000);
	play_cut(&p);
	p.path.rtt_ms = 2000;
	p.path.rtt_variance_ms = 300;
	play_send(&p);
	assert_in_range(play_until_dead(&p), 5100, 5600);
}

static void test_a_slow_target_causes_pings_only(void **state)
{
	struct play p = play_start(true);

	(void)state;
	play_run(&p, 5000);
	p.k.opens++;
	play_send(&p);
	play_ack(&p, 100, true);
	play_run(&p, 15000);
	assert_false(p.is_dead);
	assert_in_range(p.pings, 10, 17);

	/* And then the path goes. */
	play_cut(&p);
	p.path.is_waiting = true;
	assert_in_range(play_until_dead(&p), 2900, 4300);
}

/* 1 Mbit/s, and two seconds of it wait in the router: pings and credit come late. */
static void test_a_saturated_upload_is_not_cut(void **state)
{
	struct play p = play_start(true);

	(void)state;
	p.answers_in = 4000;
	play_run(&p, 5000);
	for (int i = 0; i < 12000; i++) {
		play_send(&p);
		play_run(&p, 12);
		play_ack(&p, 1448, false);
		if (i % 180 == 0)
			keepalive_on_heard(&p.k, p.now);
	}
	assert_false(p.is_dead);

	/* Slower still, and the peer sends nothing, but what is sent arrives. */
	p.answers_in = 60000;
	for (int i = 0; i < 3000; i++) {
		play_send(&p);
		play_run(&p, 20);
		play_ack(&p, 1448, false);
	}
	assert_false(p.is_dead);
}

static void test_a_peer_that_only_acknowledges_is_dead(void **state)
{
	struct play p = play_start(true);

	(void)state;
	play_run(&p, 5000);
	p.answers_in = 0; /* its process hangs, its kernel does not */
	play_send(&p);
	play_ack(&p, 100, true);
	assert_in_range(play_until_dead(&p), 8900, 9300);
}

static void test_acknowledgements_of_losses_are_signs_of_life(void **state)
{
	struct play p = play_start(true);

	(void)state;
	play_run(&p, 5000);
	play_cut(&p);
	play_send(&p);
	for (int i = 0; i < 6; i++) {
		play_run(&p, 1000);
		play_ack(&p, 0, false);
	}
	assert_false(p.is_dead);
	assert_in_range(play_until_dead(&p), 2900, 3500);
}

static void test_the_configured_timeout_applies_to_the_transport(void **state)
{
	struct play p = play_start(true);

	(void)state;
	keepalive_init(&p.k, INTERVAL_MS, 15000, p.now);
	play_run(&p, 5000);
	play_cut(&p);
	play_send(&p);
	assert_in_range(play_until_dead(&p), 14900, 16200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_idle_session_pings_at_the_interval),
		cmocka_unit_test(test_an_idle_session_dies_of_an_unanswered_ping),
		cmocka_unit_test(test_a_short_interval_shortens_the_timeout),
		cmocka_unit_test(
			test_without_an_interval_there_are_no_pings_and_no_dead_peers),
		cmocka_unit_test(test_silence_after_use_causes_one_ping),
		cmocka_unit_test(test_traffic_needs_no_pings),
		cmocka_unit_test(test_a_broken_path_is_detected_in_use),
		cmocka_unit_test(test_long_round_trips_have_a_longer_timeout),
		cmocka_unit_test(test_a_slow_target_causes_pings_only),
		cmocka_unit_test(test_a_saturated_upload_is_not_cut),
		cmocka_unit_test(test_a_peer_that_only_acknowledges_is_dead),
		cmocka_unit_test(test_acknowledgements_of_losses_are_signs_of_life),
		cmocka_unit_test(test_the_configured_timeout_applies_to_the_transport),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
