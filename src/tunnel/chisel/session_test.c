/* Behaviour of sessions and their channels: two of them, joined in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "tunnel/chisel/session_pair_test.h"

#define WINDOW_BYTES (512u << 10) /* what a channel of an idle session begins with */

/* ---- beginning and end ---- */

static void test_a_session_comes_up_at_both_ends(void **state)
{
	struct pair *p = *state;

	pair_up(p);
	assert_int_equal(p->client.ups, 1);
	assert_int_equal(p->server.ups, 1);
	assert_string_equal(p->server.config, "config");
	assert_string_equal(p->client.answer, "");
	assert_true(chisel_session_rtt_us(p->client.session) > 0);
}

static void test_frames_may_be_split_anywhere(void **state)
{
	struct pair *p = *state;
	struct user *there, *here;

	p->pipe.a.step = p->pipe.b.step = 1;
	pair_open(p);
	pair_run_until(p, p->client.answers > 0);
	here = pair_dial_up(&p->client, &p->server, &there);
	user_send(here, 3000);
	user_send(there, 3000);
	pair_run_until(p, there->got == 3000 && here->got == 3000);
	assert_int_equal(here->end, ERR_OK);
	assert_int_equal(there->end, ERR_OK);
}

static void test_a_wrong_password_ends_both(void **state)
{
	struct pair *p = *state;

	p->server.denies = true;
	pair_open(p);
	pair_run_until(p, p->client.closes == 1 && p->server.closes == 1);
	assert_int_equal(p->client.rc, ERR_DENIED);
	assert_int_equal(p->client.ups, 0);
}

static void test_a_key_authenticates_without_a_password(void **state)
{
	struct pair *p = *state;

	p->client.takes_keys = p->server.takes_keys = true;
	pair_up(p);
	assert_int_equal(p->server.key_logins, 1);
	assert_int_equal(p->server.logins, 0);

	/* A client whose key is refused has its password left. */
	side_end(&p->client);
	side_end(&p->server);
	pair_settle(p);
	p->client.takes_keys = false;
	pair_up_again(p);
	assert_int_equal(p->server.key_logins, 1);
	assert_int_equal(p->server.logins, 1);
}

static void test_a_login_may_be_answered_later(void **state)
{
	struct pair *p = *state;

	p->server.ponders = true;
	pair_open(p);
	pair_run_until(p, p->server.logins == 1);
	pair_settle(p);
	assert_int_equal(p->client.ups + p->client.closes, 0);
	chisel_session_login(p->server.session, false);
	pair_run_until(p, p->client.closes == 1 && p->server.closes == 1);
	assert_int_equal(p->client.rc, ERR_DENIED);

	p->server.logins = 0;
	p->client.closes = p->server.closes = 0;
	pipe_pair_fini(&p->pipe);
	pipe_pair_init(&p->pipe, p->worker.loop);
	pair_open(p);
	pair_run_until(p, p->server.logins == 1);
	chisel_session_login(p->server.session, true);
	pair_run_until(p, p->client.answers == 1);
}

static void test_a_wrong_host_key_ends_the_client_before_the_password(void **state)
{
	struct pair *p = *state;

	p->client.distrusts = true;
	pair_open(p);
	pair_run_until(p, p->client.closes == 1 && p->server.closes == 1);
	assert_string_equal(p->client.why, "Invalid fingerprint");
	assert_int_equal(p->server.ups, 0);
}

static void test_a_refusal_arrives_with_its_text(void **state)
{
	struct pair *p = *state;

	p->server.refusal = "server: access to '' denied";
	pair_open(p);
	pair_run_until(p, p->client.closes == 1 && p->server.closes == 1);
	assert_string_equal(p->client.answer, "server: access to '' denied");
}

static void test_an_acceptance_may_have_details(void **state)
{
	struct pair *p = *state;

	p->server.refusal = "{'Ports':[1]}";
	pair_up(p);
	assert_string_equal(p->client.answer, "");
	assert_string_equal(p->client.details, "{'Ports':[1]}");
}

static void test_an_answer_after_the_end_changes_nothing(void **state)
{
	struct pair *p = *state;
	struct channel *ch;

	p->server.refusal = NULL;
	pair_open(p);
	pair_run_until(p, p->server.configs == 1);
	chisel_session_close(p->server.session, ERR_CLOSED, "going away");
	assert_int_equal(chisel_session_answer(p->server.session, true, span_str("")),
		ERR_CLOSED);
	assert_int_equal(chisel_session_dial(p->server.session, "host:80",
				 user_on_dialled, &p->server.users[0], &ch),
		ERR_CLOSED);
	pair_run_until(p, p->client.closes == 1 && p->server.closes == 1);
}

static void test_closing_twice_is_reported_once(void **state)
{
	struct pair *p = *state;

	pair_up(p);
	chisel_session_close(p->client.session, ERR_CLOSED, "first");
	chisel_session_close(p->client.session, ERR_LIMIT, "second");
	assert_int_equal(p->client.closes, 0);
	pair_run_until(p, p->client.closes == 1 && p->server.closes == 1);
	assert_string_equal(p->client.why, "first");
	assert_int_equal(p->server.rc, ERR_CLOSED);
}

static void test_garbage_instead_of_frames_ends_the_session(void **state)
{
	static const uint8_t frames[][8] = {
		{ 0xff, 0xff, 0xff, 0xff }, /* reserved bits */
		{ 0x82, 0x01, 'x' },        /* a client must mask */
		{ 0x83, 0x80, 1, 2, 3, 4 }, /* an opcode that is none */
		{ 0x89, 0xfe, 0x01, 0x00 }, /* a ping of 256 bytes */
	};
	struct pair *p = *state;
	size_t put;

	for (size_t i = 0; i < mem_count(frames); i++) {
		pipe_pair_fini(&p->pipe);
		pipe_pair_init(&p->pipe, p->worker.loop);
		side_open(&p->server, p, SSH_SERVER);
		assert_int_equal(stream_put(&p->pipe.a.stream, frames[i],
					 sizeof(frames[i]), &put),
			ERR_OK);
		pair_run_until(p, p->server.closes == i + 1);
	}
}

static void test_a_flood_of_pings_costs_two_pongs(void **state)
{
	static const uint8_t ping[6] = { 0x89, 0x80 };
	struct pair *p = *state;
	size_t put, before;

	side_open(&p->server, p, SSH_SERVER);
	pair_settle(p);
	before = p->pipe.a.in.n;
	p->pipe.a.room = before; /* the client takes nothing for a while */
	for (int i = 0; i < 20000; i++)
		assert_int_equal(stream_put(&p->pipe.a.stream, ping, sizeof(ping), &put),
			ERR_OK);
	pair_settle(p);
	assert_int_equal(p->pipe.b.in.n, 0);
	p->pipe.a.room = PIPE_ROOM;
	pipe_check(&p->pipe.b);
	pair_settle(p);
	assert_int_equal(p->server.closes, 0);
	assert_in_range(p->pipe.a.in.n, before + 2, before + 4);
}

/* ---- the peer's life ---- */

struct probe {
	unsigned calls;
	bool is_alive;
};

static void probe_note(void *arg, bool is_alive)
{
	struct probe *probe = arg;

	probe->calls++;
	probe->is_alive = is_alive;
}

static void test_a_probe_reports_live_and_dead_peers(void **state)
{
	struct pair *p = *state;
	struct probe probe = { 0 };

	pair_up(p);
	assert_int_equal(chisel_session_probe(p->server.session, 5000, probe_note,
				 &probe),
		ERR_OK);
	assert_int_equal(chisel_session_probe(p->server.session, 5000, probe_note,
				 &probe),
		ERR_EXISTS);
	pair_run_until(p, probe.calls == 1);
	assert_true(probe.is_alive);
	p->pipe.b.is_lost = true;
	assert_int_equal(chisel_session_probe(p->server.session, 20, probe_note, &probe),
		ERR_OK);
	pair_run_until(p, probe.calls == 2 || (usleep(100), false));
	assert_false(probe.is_alive);
	assert_non_null(p->server.session);
}

/* ---- channels ---- */

static void test_a_channel_carries_both_ways(void **state)
{
	struct pair *p = *state;
	struct user *there, *here;
	uint64_t sent, received;

	pair_up(p);
	here = pair_dial_up(&p->client, &p->server, &there);
	assert_string_equal(p->server.target, "host:80");
	user_send(here, 3u << 20);
	user_send(there, 5u << 20);
	pair_run_until(p, there->got == 3u << 20 && here->got == 5u << 20);
	assert_int_equal(here->end, ERR_OK);
	chisel_session_bytes(p->client.session, &sent, &received);
	assert_int_equal(sent, 3u << 20);
	assert_int_equal(received, 5u << 20);
}

static void test_servers_open_channels_too(void **state)
{
	struct pair *p = *state;
	struct user *there, *here;

	pair_up(p);
	here = pair_dial_up(&p->server, &p->client, &there);
	user_send(here, 100000);
	pair_run_until(p, there->got == 100000);
}

static void test_a_refused_channel_has_the_peers_reason(void **state)
{
	struct pair *p = *state;
	struct channel *ch;
	struct user *u;

	pair_up(p);
	p->server.reject = "connect failed (refused)";
	u = pair_dial(&p->client, &ch);
	pair_run_until(p, u->dial_rc != ERR_AGAIN);
	assert_int_equal(u->dial_rc, ERR_DENIED);
	assert_string_equal(u->words, "rejected: connect failed (refused)");
	assert_int_equal(chisel_session_channels(p->client.session), 0);
	assert_int_equal(chisel_session_channels(p->server.session), 0);
}

static void test_a_cancelled_dial_is_not_reported(void **state)
{
	struct pair *p = *state;
	struct channel *ch;
	struct user *u;

	pair_up(p);
	u = pair_dial(&p->client, &ch);
	channel_dial_close(ch);
	pair_settle(p);
	assert_int_equal(u->calls, 0);
	assert_int_equal(p->server.opens, 1);
	pair_run_until(p, p->server.users[0].end != ERR_OK);
	user_close(&p->server.users[0], false);
	pair_settle(p);
	assert_int_equal(chisel_session_channels(p->client.session), 0);
	assert_int_equal(chisel_session_channels(p->server.session), 0);
}

static void test_an_offer_outlives_its_session(void **state)
{
	struct pair *p = *state;
	struct channel *ch;
	struct stream *stream = NULL;
	struct user *u;

	pair_up(p);
	p->server.hesitates = true;
	u = pair_dial(&p->client, &ch);
	pair_run_until(p, p->server.offered != NULL);
	chisel_session_close(p->client.session, ERR_CLOSED, NULL);
	pair_run_until(p, p->server.closes == 1 && u->dial_rc != ERR_AGAIN);
	assert_int_equal(u->dial_rc, ERR_CLOSED);
	assert_int_equal(channel_accept(p->server.offered, &stream), ERR_CLOSED);
	p->server.offered = NULL;
	assert_null(stream);
}

static void test_an_unread_channel_is_bounded_and_others_continue(void **state)
{
	struct pair *p = *state;
	struct user *deaf, *there, *here;

	pair_up(p);
	p->server.accepts_unread = true;
	deaf = pair_dial_up(&p->client, &p->server, &there);
	p->server.accepts_unread = false;
	user_send(deaf, 64u << 20);
	pair_settle(p);
	assert_int_equal(deaf->put, WINDOW_BYTES);
	here = pair_dial_up(&p->client, &p->server, &there);
	user_send(here, 4u << 20);
	pair_run_until(p, there->got == 4u << 20);
	assert_int_equal(deaf->put, WINDOW_BYTES);

	/* And continues where it was when its user reads again. */
	p->server.users[0].reads_nothing = false;
	user_set_wants(&p->server.users[0]);
	pair_run_until(p, p->server.users[0].got == 64u << 20);
	assert_int_equal(p->server.users[0].end, ERR_OK);
}

static void test_readiness_is_level_triggered(void **state)
{
	struct pair *p = *state;
	struct user *there, *here;

	pair_up(p);
	here = pair_dial_up(&p->client, &p->server, &there);
	there->bite = 100;
	there->keeps_silent = true;
	user_send(here, 20000);
	pair_run_until(p, there->got == 20000);
	assert_true(there->calls >= 200);
}

static void test_a_light_channel_overtakes_bulk(void **state)
{
	struct pair *p = *state;
	struct user *bulk[3], *light, *there, *light_there;
	uint64_t before;

	pair_up(p);
	p->pipe.b.room = 64u << 10; /* the connection is what is scarce */
	for (int i = 0; i < 3; i++) {
		bulk[i] = pair_dial_up(&p->client, &p->server, &there);
		user_send(bulk[i], 64u << 20);
	}
	light = pair_dial_up(&p->client, &p->server, &light_there);
	pair_run_until(p, bulk[2]->put > 1u << 20);
	before = p->pipe.a.written;
	user_send(light, 1);
	pair_run_until(p, light_there->got == 1);

	/* Only what was queued, and what the last look at the connection brought with
	 * it. */
	assert_in_range(p->pipe.a.written - before, 1, 256u << 10);
}

static void test_bulk_channels_share_alike(void **state)
{
	struct pair *p = *state;
	struct user *u[3], *there;

	pair_up(p);
	p->pipe.b.room = 64u << 10;
	for (int i = 0; i < 3; i++) {
		u[i] = pair_dial_up(&p->client, &p->server, &there);
		user_send(u[i], 256u << 20);
	}
	pair_run_until(p, u[0]->put > 8u << 20);
	for (int i = 1; i < 3; i++) {
		assert_true(u[i]->put > u[0]->put / 2);
		assert_true(u[i]->put < u[0]->put * 2);
	}
}

static void test_half_close_goes_each_way(void **state)
{
	struct pair *p = *state;
	struct user *there, *here;

	p->half_closes = true;
	pair_up(p);
	chisel_session_trust_half_close(p->server.session);
	here = pair_dial_up(&p->client, &p->server, &there);
	user_send(here, 1000);
	user_finish(here);
	pair_run_until(p, there->end != ERR_OK);
	assert_int_equal(there->end, ERR_EOF);
	assert_int_equal(there->got, 1000);
	user_send(there, 3u << 20);
	user_finish(there);
	pair_run_until(p, here->end != ERR_OK);
	assert_int_equal(here->end, ERR_EOF);
	assert_int_equal(here->got, 3u << 20);
}

static void test_eof_is_held_back_from_peers_that_may_close_on_it(void **state)
{
	struct pair *p = *state;
	struct user *there, *here;

	clock_freeze(1000000);
	pair_up(p);
	here = pair_dial_up(&p->client, &p->server, &there);
	user_send(here, 10);
	user_finish(here);
	pair_settle(p);
	assert_int_equal(there->got, 10);
	assert_int_equal(there->end, ERR_OK);

	/* Nothing else happens on the connection, and yet the end goes out in time. */
	clock_advance(6000);
	pair_run_until(p, there->end != ERR_OK || (usleep(1000), false));
	assert_int_equal(there->end, ERR_EOF);
}

static void test_an_eof_held_back_is_sent_despite_other_traffic(void **state)
{
	struct pair *p = *state;
	struct user *there, *here, *busy, *busy_there;

	clock_freeze(1000000);
	pair_up(p);
	busy = pair_dial_up(&p->server, &p->client, &busy_there);
	here = pair_dial_up(&p->client, &p->server, &there);
	user_send(here, 10);
	user_finish(here);
	pair_settle(p);
	clock_advance(10000);
	while (there->end == ERR_OK && busy->put < 2000) {
		user_send(busy, 1);
		loop_turn(p->worker.loop);
		usleep(1000);
	}
	assert_int_equal(there->end, ERR_EOF);
}

static void test_an_abort_is_not_an_orderly_end(void **state)
{
	struct pair *p = *state;
	struct user *there, *here;

	p->half_closes = true;
	pair_up(p);
	chisel_session_trust_half_close(p->server.session);
	here = pair_dial_up(&p->client, &p->server, &there);
	user_close(here, true);
	pair_run_until(p, there->end != ERR_OK);
	assert_int_equal(there->end, ERR_RESET);

	here = pair_dial_up(&p->client, &p->server, &there);
	user_send(here, 100);
	pair_settle(p);
	user_close(here, false);
	pair_run_until(p, there->end != ERR_OK);
	assert_int_equal(there->end, ERR_CLOSED);
	assert_int_equal(there->got, 100);
}

/* Its user has the peer's last byte, and wants nothing more. */
static void test_a_break_after_the_last_byte_is_a_hang_up(void **state)
{
	struct pair *p = *state;
	struct user *there, *here;
	unsigned calls;

	p->half_closes = true;
	pair_up(p);
	chisel_session_trust_half_close(p->server.session);
	here = pair_dial_up(&p->client, &p->server, &there);
	user_finish(here);
	pair_run_until(p, there->end == ERR_EOF);
	there->keeps_silent = true;
	stream_want(there->stream, LOOP_HANGUP);
	pair_settle(p);
	calls = there->calls;
	user_close(here, true);
	pair_run_until(p, there->calls > calls);
	stream_want(there->stream, 0);
}

static void test_a_session_ends_its_channels(void **state)
{
	struct pair *p = *state;
	struct user *u[3], *there[3];

	pair_up(p);
	for (int i = 0; i < 3; i++) {
		u[i] = pair_dial_up(&p->client, &p->server, &there[i]);
		user_send(u[i], 64u << 20);
	}
	there[1]->reads_nothing = true;
	pair_run_until(p, there[0]->got > 100000);
	chisel_session_close(p->server.session, ERR_RESET, "cut");
	pair_run_until(p, p->client.closes == 1 && p->server.closes == 1);
	pair_settle(p);
	for (int i = 0; i < 3; i++)
		assert_true(u[i]->end == ERR_RESET || u[i]->write_end == ERR_RESET);
	assert_int_equal(there[0]->end, ERR_RESET);
}

/* ---- new keys ---- */

static void test_data_continues_during_a_key_exchange(void **state)
{
	struct pair *p = *state;
	struct user *u[4], *there[4];

	p->tuning.rekey_bytes = 200000;
	p->pipe.a.room = p->pipe.b.room = 100000;
	pair_up(p);
	for (int i = 0; i < 4; i++) {
		u[i] = pair_dial_up(&p->client, &p->server, &there[i]);
		user_send(u[i], 2u << 20);
		user_send(there[i], i % 2 == 0 ? 0 : 2u << 20);
	}
	for (int i = 0; i < 4; i++) {
		pair_run_until(p, there[i]->got == 2u << 20);
		pair_run_until(p, u[i]->got == (i % 2 == 0 ? 0 : 2u << 20));
		assert_int_equal(there[i]->end, ERR_OK);
	}
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, pair_setup, pair_teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_a_session_comes_up_at_both_ends),
		TEST(test_frames_may_be_split_anywhere),
		TEST(test_a_wrong_password_ends_both),
		TEST(test_a_key_authenticates_without_a_password),
		TEST(test_a_login_may_be_answered_later),
		TEST(test_a_wrong_host_key_ends_the_client_before_the_password),
		TEST(test_a_refusal_arrives_with_its_text),
		TEST(test_an_acceptance_may_have_details),
		TEST(test_an_answer_after_the_end_changes_nothing),
		TEST(test_closing_twice_is_reported_once),
		TEST(test_garbage_instead_of_frames_ends_the_session),
		TEST(test_a_flood_of_pings_costs_two_pongs),
		TEST(test_a_probe_reports_live_and_dead_peers),
		TEST(test_a_channel_carries_both_ways),
		TEST(test_servers_open_channels_too),
		TEST(test_a_refused_channel_has_the_peers_reason),
		TEST(test_a_cancelled_dial_is_not_reported),
		TEST(test_an_offer_outlives_its_session),
		TEST(test_an_unread_channel_is_bounded_and_others_continue),
		TEST(test_readiness_is_level_triggered),
		TEST(test_a_light_channel_overtakes_bulk),
		TEST(test_bulk_channels_share_alike),
		TEST(test_half_close_goes_each_way),
		TEST(test_an_abort_is_not_an_orderly_end),
		TEST(test_a_session_ends_its_channels),
		TEST(test_data_continues_during_a_key_exchange),
		TEST(test_a_break_after_the_last_byte_is_a_hang_up),
		TEST(test_eof_is_held_back_from_peers_that_may_close_on_it),
		TEST(test_an_eof_held_back_is_sent_despite_other_traffic),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
