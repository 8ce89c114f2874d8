/* Behaviour of a lease's reverse sessions, with a relay whose bytes are the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <sys/socket.h>

#include "agent/lease_pool.h"
#include "base/str.h"
#include "loop/timer_test.h"
#include "net/listener.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
#define REFUSAL \
	"HTTP/1.1 404 Not Found\r\nContent-Length: 64\r\n\r\n" \
	"{\"error\":{\"code\":\"lease_not_found\",\"message\":\"gone\"},\"ok\":false}"
#define SESSIONS_MAX 64

/* The relay has accepted, in order: sessions[0] to sessions[accepted - 1]. */
struct fixture {
	struct loop *loop;
	struct listener *listener;
	struct relay_peer relay;
	struct lease_pool *pool;
	int sessions[SESSIONS_MAX]; /* -1: closed */
	unsigned accepted;

	unsigned visitors, troubles, silences, readies;
	struct stream *stream; /* of the last visitor */
	enum err rc;           /* of the last trouble */
	struct message_refusal refusal;
	bool closes; /* the pool, in the next hook */
};

static void check_closing(struct fixture *f)
{
	if (!f->closes)
		return;
	lease_pool_close(f->pool);
	f->pool = NULL;
}

static void on_visitor(void *owner, enum marker kind, struct stream *stream,
	const struct addr *relay)
{
	struct fixture *f = owner;

	assert_int_equal(kind, MARKER_RAW);
	assert_true(addr_is_loopback(relay));
	f->visitors++;
	stream_abort(f->stream);
	f->stream = stream;
	check_closing(f);
}

static void on_trouble(void *owner, enum err rc, const struct message_refusal *refusal,
	const struct why *why)
{
	struct fixture *f = owner;

	assert_true(why->text[0] != '\0');
	f->troubles++;
	f->rc = rc;
	f->refusal = *refusal;
	check_closing(f);
}

static void on_silence(void *owner)
{
	struct fixture *f = owner;

	f->silences++;
	check_closing(f);
}

static void on_ready(void *owner)
{
	struct fixture *f = owner;

	f->readies++;
}

static const struct lease_pool_hooks hooks = { on_visitor, on_trouble, on_silence,
	on_ready };

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	struct fixture *f = arg;

	(void)peer;
	assert_true(f->accepted < SESSIONS_MAX);
	f->sessions[f->accepted++] = fd;
}

/* ---- the relay ---- */

static void wait_for(struct fixture *f, const unsigned *what, unsigned count)
{
	if (!time_wait(f->loop, what, count))
		fail_msg("%u in place of %u; %u accepted, %u troubles", *what, count,
			f->accepted, f->troubles);
}

static void wait_ready(struct fixture *f, unsigned count)
{
	for (int i = 0; i < 50000 && lease_pool_ready(f->pool) != count; i++) {
		time_turn(f->loop);
		usleep(100);
	}
	assert_int_equal(lease_pool_ready(f->pool), count);
}

static void say(struct fixture *f, unsigned i, const char *bytes, size_t n)
{
	assert_true(i < f->accepted);
	assert_int_equal(send(f->sessions[i], bytes, n, MSG_NOSIGNAL), (ssize_t)n);
}

/* The relay takes those from @from on, which makes them @ready in all. */
static void take(struct fixture *f, unsigned from, unsigned ready)
{
	for (unsigned i = from; i < f->accepted; i++)
		say(f, i, OK, strlen(OK));
	wait_ready(f, ready);
}

static void hang_up(struct fixture *f, unsigned i)
{
	char request[2048];

	(void)!recv(f->sessions[i], request, sizeof(request), MSG_DONTWAIT);
	close(f->sessions[i]);
	f->sessions[i] = -1;
}

static void send_visitor(struct fixture *f, unsigned i)
{
	unsigned before = f->visitors;

	say(f, i, "\x01", 1);
	wait_for(f, &f->visitors, before + 1);
}

/* Nothing more is opened, how long one may wait. */
static void check_opens_no_more(struct fixture *f, unsigned accepted)
{
	time_settle(f->loop);
	assert_int_equal(f->accepted, accepted);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);
	struct lease_pool_options o = { .relay = &f->relay,
		.token = "first.token",
		.hooks = &hooks,
		.owner = f };
	struct addr at;

	time_begin(1000000);
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	assert_int_equal(listener_open(f->loop, "127.0.0.1", 0, on_accept, f,
				 &f->listener, NULL),
		ERR_OK);
	listener_addr(f->listener, &at);
	str_copy(f->relay.host, sizeof(f->relay.host), "127.0.0.1");
	str_copy(f->relay.authority, sizeof(f->relay.authority), "relay.example.com");
	f->relay.port = addr_port(&at);
	o.loop = f->loop;
	assert_int_equal(lease_pool_open(&o, &f->pool), ERR_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	lease_pool_close(f->pool);
	stream_abort(f->stream);
	for (unsigned i = 0; i < f->accepted; i++) {
		if (f->sessions[i] >= 0)
			close(f->sessions[i]);
	}
	listener_close(f->listener);
	loop_turn(f->loop);
	loop_free(f->loop);
	free(f);
	return 0;
}

/* Begins with two that are ready. */
static int setup_two(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	wait_for(f, &f->accepted, 2);
	take(f, 0, 2);
	return 0;
}

/* ---- how many ---- */

static void test_two_sessions_wait(void **state)
{
	struct fixture *f = *state;

	wait_for(f, &f->accepted, 2);
	assert_int_equal(lease_pool_ready(f->pool), 0);
	take(f, 0, 2);
	check_opens_no_more(f, 2);
	assert_int_equal(f->readies, 1); /* only the first is news */
}

static void test_a_visitor_is_replaced_by_another_session(void **state)
{
	struct fixture *f = *state;

	for (unsigned i = 0; i < 20; i++) {
		send_visitor(f, i);
		wait_for(f, &f->accepted, i + 3);
		take(f, i + 2, 2);
		check_opens_no_more(f, i + 3);
	}
	assert_int_equal(f->troubles, 0);
}

/* Each time that none is left, twice as many are opened, up to eight. */
static void test_fast_visitors_get_more_sessions(void **state)
{
	static const unsigned accepted[] = { 2, 6, 14, 22 }, waiting[] = { 2, 4, 8, 8 };
	struct fixture *f = *state;

	for (unsigned round = 0, next = 0; round < mem_count(accepted); round++) {
		wait_for(f, &f->accepted, accepted[round]);
		check_opens_no_more(f, accepted[round]);
		take(f, round == 0 ? accepted[0] : next, waiting[round]);
		if (round + 1 == mem_count(accepted))
			break;
		/* All at once, before any that is opened in its place can be taken. */
		for (unsigned i = 0; i < waiting[round]; i++)
			say(f, next + i, "\x01", 1);
		next += waiting[round];
		wait_for(f, &f->visitors, next);
	}
}

static void test_after_some_calm_two_are_enough_again(void **state)
{
	struct fixture *f = *state;

	say(f, 0, "\x01", 1);
	say(f, 1, "\x01", 1);
	wait_for(f, &f->visitors, 2);
	wait_for(f, &f->accepted, 6);
	take(f, 2, 4);
	time_pass(f->loop, 11000);
	send_visitor(f, 2);
	send_visitor(f, 3);
	assert_int_equal(lease_pool_ready(f->pool), 2);
	check_opens_no_more(f, 6);
	send_visitor(f, 4);
	wait_for(f, &f->accepted, 7);
}

/* ---- trouble ---- */

static void test_a_failed_session_is_opened_again_at_once(void **state)
{
	struct fixture *f = *state;

	hang_up(f, 0);
	wait_for(f, &f->accepted, 3);
	take(f, 2, 2);
	assert_int_equal(f->troubles, 0); /* sessions end: that is no news */
}

static void test_relays_that_refuse_are_asked_less_and_less(void **state)
{
	struct fixture *f = *state;
	uint64_t waits[12];

	wait_for(f, &f->accepted, 2);
	for (unsigned i = 0; i < mem_count(waits); i++) {
		unsigned before = f->accepted;
		uint64_t since = clock_now_ms();

		hang_up(f, before - 1);
		hang_up(f, before - 2);
		wait_for(f, &f->troubles, i + 1); /* two at once are one */
		while (f->accepted < before + 2 && clock_now_ms() - since < 5000)
			time_pass(f->loop, 10);
		assert_int_equal(f->accepted, before + 2);
		waits[i] = clock_now_ms() - since;
		assert_true(waits[i] <= LEASE_PAUSE_MAX_MS + 10);
	}
	assert_true(waits[0] <= 10); /* the first at once */
	assert_true(waits[1] <= 410);
	assert_int_equal(f->rc, ERR_CLOSED);
}

static void test_a_refusal_is_passed_on(void **state)
{
	struct fixture *f = *state;

	wait_for(f, &f->accepted, 2);
	say(f, 0, REFUSAL, strlen(REFUSAL));
	wait_for(f, &f->troubles, 1);
	assert_int_equal(f->rc, ERR_DENIED);
	assert_int_equal(f->refusal.status, 404);
	assert_string_equal(f->refusal.code, "lease_not_found");
}

static void test_a_visitor_ends_the_pauses(void **state)
{
	struct fixture *f = *state;

	wait_for(f, &f->accepted, 2);
	for (unsigned i = 0; i < 8; i++) {
		unsigned before = f->accepted;

		hang_up(f, before - 1);
		hang_up(f, before - 2);
		wait_for(f, &f->troubles, i + 1); /* two at once are one */
		time_pass(f->loop, 4000);
		wait_for(f, &f->accepted, before + 2);
	}
	take(f, f->accepted - 2, 2);
	send_visitor(f, f->accepted - 2);
	wait_for(f, &f->accepted, 19);
	take(f, 18, 2);
	hang_up(f, 18);
	wait_for(f, &f->accepted, 20); /* at once: no time has passed */
}

/* The relay died without a FIN: no byte arrives for two keepalive intervals. */
static void test_idle_death_is_noticed(void **state)
{
	struct fixture *f = *state;

	time_pass(f->loop, MARKER_TIMEOUT_MS - 1000);
	say(f, 0, "", 1); /* a keepalive */
	time_settle(f->loop);
	time_pass(f->loop, 2000);
	assert_int_equal(lease_pool_ready(f->pool), 1);
	wait_for(f, &f->accepted, 3);
	assert_int_equal(f->troubles, 0);
	assert_int_equal(f->silences, 1);
	time_pass(f->loop, MARKER_TIMEOUT_MS);
	wait_for(f, &f->accepted, 4);
	assert_int_equal(f->silences, 2);
}

static void test_it_may_be_closed_when_a_session_died(void **state)
{
	struct fixture *f = *state;

	f->closes = true;
	time_pass(f->loop, MARKER_TIMEOUT_MS + 1);
	assert_null(f->pool);
	assert_int_equal(f->silences, 1);
}

/* Nobody answered for 10 s: that was pause enough, and the path may be back by now. */
static void test_waiting_in_vain_is_a_pause(void **state)
{
	struct fixture *f = *state;

	wait_for(f, &f->accepted, 2);
	for (unsigned i = 1; i < 8; i++) {
		time_pass(f->loop, 10100); /* for an answer */
		wait_for(f, &f->troubles, i);
		assert_int_equal(f->rc, ERR_TIMEOUT);
		wait_for(f, &f->accepted, 2 * i + 2);
	}
}

static void test_a_retry_ends_a_pause(void **state)
{
	struct fixture *f = *state;

	wait_for(f, &f->accepted, 2);
	for (unsigned i = 0; i < 8; i++) {
		hang_up(f, 2 * i);
		hang_up(f, 2 * i + 1);
		wait_for(f, &f->troubles, i + 1);
		lease_pool_retry(f->pool); /* no time passes */
		wait_for(f, &f->accepted, 2 * i + 4);
	}
	lease_pool_retry(f->pool);
	check_opens_no_more(f, 18);
}

static void test_a_relay_that_is_not_there_is_trouble(void **state)
{
	struct fixture *f = *state;

	listener_close(f->listener);
	f->listener = NULL;
	hang_up(f, 0);
	wait_for(f, &f->troubles, 1);
	assert_int_equal(lease_pool_ready(f->pool), 1);
}

/* ---- the owner ---- */

static void check_token(struct fixture *f, unsigned i, const char *token)
{
	char got[4096] = "";

	time_settle(f->loop);
	assert_true(recv(f->sessions[i], got, sizeof(got) - 1, MSG_DONTWAIT) > 0);
	assert_non_null(strstr(got, token));
}

static void test_a_new_token_is_for_new_sessions(void **state)
{
	struct fixture *f = *state;

	lease_pool_set_token(f->pool, "second.token");
	send_visitor(f, 0);
	wait_for(f, &f->accepted, 3);
	check_token(f, 1, "first.token");
	check_token(f, 2, "second.token");
}

static void test_it_may_be_closed_when_a_visitor_comes(void **state)
{
	struct fixture *f = *state;

	f->closes = true;
	send_visitor(f, 0);
	assert_null(f->pool);
	check_opens_no_more(f, f->accepted);
}

static void test_it_may_be_closed_when_there_is_trouble(void **state)
{
	struct fixture *f = *state;

	wait_for(f, &f->accepted, 2);
	f->closes = true;
	say(f, 1, REFUSAL, strlen(REFUSAL));
	wait_for(f, &f->troubles, 1);
	assert_null(f->pool);
	time_pass(f->loop, 10000);
	assert_int_equal(f->accepted, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_TWO(name) cmocka_unit_test_setup_teardown(name, setup_two, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_two_sessions_wait),
		TEST_TWO(test_a_visitor_is_replaced_by_another_session),
		TEST_TWO(test_fast_visitors_get_more_sessions),
		TEST_TWO(test_after_some_calm_two_are_enough_again),
		TEST_TWO(test_a_failed_session_is_opened_again_at_once),
		TEST(test_relays_that_refuse_are_asked_less_and_less),
		TEST(test_a_refusal_is_passed_on),
		TEST(test_a_visitor_ends_the_pauses),
		TEST_TWO(test_idle_death_is_noticed),
		TEST_TWO(test_it_may_be_closed_when_a_session_died),
		TEST(test_waiting_in_vain_is_a_pause),
		TEST(test_a_retry_ends_a_pause),
		TEST_TWO(test_a_relay_that_is_not_there_is_trouble),
		TEST_TWO(test_a_new_token_is_for_new_sessions),
		TEST_TWO(test_it_may_be_closed_when_a_visitor_comes),
		TEST(test_it_may_be_closed_when_there_is_trouble),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
