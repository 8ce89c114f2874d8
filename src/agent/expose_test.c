/* Behaviour of an exposure on several relays, with time in the test's hands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "agent/expose.h"
#include "agent/relay_test.h"

#define ONE "one.localhost"
#define TWO "two.localhost"
#define DEAD "https://dead.localhost:1"

struct fixture {
	struct worker worker;
	struct pool pool;
	struct test_relay one, two;
	struct identity identity;
	struct message_metadata metadata;
	struct log log;
	struct listener *listener; /* the target */
	struct stream *served;     /* what reached it last */
	unsigned served_n;
	struct target target;
	struct expose *expose;

	unsigned opened, came_back, ended;
	char url[256], relay[256]; /* of the last that opened */
};

static void on_open(void *owner, const char *relay, const char *url, const char *tcp,
	bool is_back)
{
	struct fixture *f = owner;

	assert_string_equal(tcp, "");
	snprintf(f->relay, sizeof(f->relay), "%s", relay);
	snprintf(f->url, sizeof(f->url), "%s", url);
	f->opened++;
	f->came_back += is_back;
}

static void on_ended(void *owner)
{
	struct fixture *f = owner;

	f->ended++;
}

static const struct expose_hooks hooks = { .on_open = on_open, .on_ended = on_ended };

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	struct fixture *f = arg;

	(void)peer;
	stream_abort(f->served);
	assert_int_equal(socket_open_take(f->worker.loop, fd, &f->served), ERR_OK);
	f->served_n++;
}

static void wait_for(struct fixture *f, const unsigned *what, unsigned count)
{
	if (!time_wait(f->worker.loop, what, count))
		fail_msg("%u in place of %u; %u open, %u back, %u ended", *what, count,
			f->opened, f->came_back, f->ended);
}

static void set_relays(struct fixture *f, const char *urls)
{
	struct relay_urls list = { 0 };

	assert_int_equal(relay_urls_add(&list, span_str(urls), NULL), ERR_OK);
	assert_int_equal(expose_set_relays(f->expose, &list, NULL), ERR_OK);
	relay_urls_fini(&list);
}

static void set_both(struct fixture *f)
{
	char urls[512];

	snprintf(urls, sizeof(urls), "%s,%s", f->one.url, f->two.url);
	set_relays(f, urls);
}

static void open_expose(struct fixture *f)
{
	struct expose_options o = { .worker = &f->worker,
		.service.target = &f->target,
		.identity = &f->identity,
		.metadata = &f->metadata,
		.log = &f->log,
		.hooks = &hooks,
		.owner = f };

	assert_int_equal(expose_open(&o, &f->expose, NULL), ERR_OK);
}

static void open_target(struct fixture *f)
{
	char text[32];
	struct addr at;

	assert_int_equal(listener_open(f->worker.loop, "127.0.0.1", 0, on_accept, f,
				 &f->listener, NULL),
		ERR_OK);
	listener_addr(f->listener, &at);
	snprintf(text, sizeof(text), "127.0.0.1:%u", addr_port(&at));
	assert_int_equal(target_parse(span_str(text), &f->target, NULL), ERR_OK);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);

	time_begin(1700000000000);
	assert_int_equal(worker_init(&f->worker, 0), ERR_OK);
	pool_init(&f->pool, 66560, 16);
	test_relay_init(&f->one, f->worker.loop, &f->pool, ONE, "DNS:" ONE ",DNS:*." ONE);
	test_relay_init(&f->two, f->worker.loop, &f->pool, TWO, "DNS:" TWO ",DNS:*." TWO);
	assert_int_equal(identity_parse(IDENTITY_CLIENT, span_str(VECTOR_FILE),
				 &f->identity, NULL),
		ERR_OK);
	log_init(&f->log, NULL, "test");
	open_target(f);
	open_expose(f);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	expose_close(f->expose);
	stream_abort(f->served);
	listener_close(f->listener);
	test_relay_fini(&f->one);
	test_relay_fini(&f->two);
	loop_turn(f->worker.loop);
	worker_fini(&f->worker);
	pool_fini(&f->pool);
	identity_wipe(&f->identity);
	free(f);
	return 0;
}

static int setup_both(void **state)
{
	struct fixture *f;

	setup(state);
	f = *state;
	set_both(f);
	wait_for(f, &f->opened, 2);
	wait_for(f, &f->one.sessions_n, 2);
	wait_for(f, &f->two.sessions_n, 2);
	time_settle(f->worker.loop);
	return 0;
}

/* Somebody comes, and is with the target now. */
static struct stream *visit(struct fixture *f, struct test_relay *r, unsigned session)
{
	struct stream *s = test_relay_activate(r, session, MARKER_RAW);
	unsigned before = f->served_n;

	wait_for(f, &f->served_n, before + 1);
	return s;
}

static bool is_served(struct fixture *f, struct stream *visitor)
{
	char byte = 'x';
	size_t n;

	if (stream_put(visitor, &byte, 1, &n) != ERR_OK)
		return false;
	time_settle(f->worker.loop);
	return stream_read(f->served, &byte, 1, &n) == ERR_OK;
}

/* ---- relays ---- */

static void test_it_is_published_on_each_relay(void **state)
{
	struct fixture *f = *state;

	set_relays(f, f->one.url);
	wait_for(f, &f->opened, 1);
	assert_string_equal(f->relay, f->one.url);
	assert_string_equal(f->url, "https://" VECTOR_NAME "." ONE);
	set_both(f);
	wait_for(f, &f->opened, 2);
	assert_string_equal(f->url, "https://" VECTOR_NAME "." TWO);
	assert_int_equal(f->came_back, 0);
	assert_int_equal(f->one.asked[ASKED_REGISTER], 1);
}

static void test_a_dead_relay_disturbs_no_other(void **state)
{
	struct fixture *f = *state;
	char urls[512];

	f->two.answers[ASKED_DOMAIN].is_mute = true;
	snprintf(urls, sizeof(urls), "%s,%s,%s", DEAD, f->two.url, f->one.url);
	set_relays(f, urls);
	wait_for(f, &f->opened, 1); /* no time passes */
	assert_string_equal(f->relay, f->one.url);
	time_pass(f->worker.loop, 25000);
	assert_int_equal(f->one.asked[ASKED_REGISTER], 1);
	assert_int_equal(f->ended, 0);
	f->two.answers[ASKED_DOMAIN].is_mute = false;
	time_pass(f->worker.loop, 15000);
	wait_for(f, &f->two.sessions_n, 2);
}

static void test_a_relay_that_is_back_is_reported(void **state)
{
	struct fixture *f = *state;

	time_pass(f->worker.loop, 2000);
	expose_retry_now(f->expose, "a test", false);
	wait_for(f, &f->came_back, 2);
	assert_int_equal(f->opened, 4);
}

static void test_a_new_public_address_is_reported(void **state)
{
	struct fixture *f = *state;

	time_pass(f->worker.loop, 2000);
	f->one.sni_port = 8443;
	expose_retry_now(f->expose, "a test", false);
	wait_for(f, &f->opened, 4);
	assert_int_equal(f->came_back, 1);
}

static void test_a_refusing_relay_ends_only_its_own_session(void **state)
{
	struct fixture *f = *state;

	f->two.answers[ASKED_REGISTER] = (struct test_answer){ 409, "hostname_conflict",
		false };
	set_both(f);
	wait_for(f, &f->opened, 1);
	wait_for(f, &f->two.asked[ASKED_REGISTER], 1);
	time_pass(f->worker.loop, 20000);
	assert_int_equal(f->two.asked[ASKED_REGISTER], 1);
	assert_int_equal(f->ended, 0);
	f->one.answers[ASKED_CHALLENGE] = (struct test_answer){ 403, "ip_banned", false };
	expose_retry_now(f->expose, "a test", false);
	wait_for(f, &f->ended, 1);
}

static void test_a_missing_relay_is_unregistered(void **state)
{
	struct fixture *f = *state;
	struct stream *visitor = visit(f, &f->two, 0);

	set_relays(f, f->one.url);
	wait_for(f, &f->two.asked[ASKED_UNREGISTER], 1);
	time_pass(f->worker.loop, 10000);
	assert_int_equal(f->one.asked[ASKED_UNREGISTER], 0);
	assert_int_equal(f->ended, 0);
	assert_true(is_served(f, visitor)); /* its connection stays open */
	stream_abort(visitor);
}

static void test_a_relay_wanted_again_while_it_unregisters_is_joined(void **state)
{
	struct fixture *f = *state;

	set_relays(f, f->one.url);
	set_both(f);
	wait_for(f, &f->opened, 3);
	assert_string_equal(f->relay, f->two.url);
	assert_int_equal(f->two.asked[ASKED_UNREGISTER], 1);
	assert_int_equal(f->ended, 0);
}

static void test_an_ended_relay_is_retried_after_it_was_missing(void **state)
{
	struct fixture *f = *state;

	f->two.answers[ASKED_REGISTER] = (struct test_answer){ 409, "hostname_conflict",
		false };
	set_both(f);
	wait_for(f, &f->two.asked[ASKED_REGISTER], 1);
	time_settle(f->worker.loop);
	f->two.answers[ASKED_REGISTER] = (struct test_answer){ 0 };
	set_both(f);
	time_pass(f->worker.loop, 10000);
	assert_int_equal(f->two.asked[ASKED_REGISTER], 1);
	set_relays(f, f->one.url);
	set_both(f);
	wait_for(f, &f->two.asked[ASKED_REGISTER], 2);
}

static void test_without_a_relay_it_is_over(void **state)
{
	struct fixture *f = *state;

	set_relays(f, "");
	wait_for(f, &f->ended, 1);
	assert_int_equal(f->one.asked[ASKED_UNREGISTER], 1);
	assert_int_equal(f->two.asked[ASKED_UNREGISTER], 1);
}

/* ---- visitors ---- */

static void test_visitors_are_counted(void **state)
{
	struct fixture *f = *state;
	struct stream *visitor = visit(f, &f->one, 0);
	size_t n;

	assert_int_equal(stream_put(visitor, "hello", 5, &n), ERR_OK);
	time_settle(f->worker.loop);
	assert_int_equal(expose_statistics(f->expose).visitors, 1);
	assert_int_equal(expose_statistics(f->expose).visitors_now, 1);
	assert_int_equal(stream_put(f->served, "hi", 2, &n), ERR_OK);
	time_settle(f->worker.loop);
	assert_int_equal(expose_statistics(f->expose).in_bytes, 5); /* while it is here */
	assert_int_equal(expose_statistics(f->expose).out_bytes, 2);
	stream_close(visitor);
	stream_close(f->served);
	f->served = NULL;
	time_settle(f->worker.loop);
	assert_int_equal(expose_statistics(f->expose).visitors_now, 0);
	assert_int_equal(expose_statistics(f->expose).in_bytes, 5);
	assert_int_equal(expose_statistics(f->expose).out_bytes, 2);
}

static void test_visitors_outlive_the_lease_they_came_through(void **state)
{
	struct fixture *f = *state;
	struct stream *visitor = visit(f, &f->one, 0);

	time_pass(f->worker.loop, 2000);
	expose_retry_now(f->expose, "a test", false);
	wait_for(f, &f->came_back, 2);
	assert_true(is_served(f, visitor));
	stream_abort(visitor);
}

static void test_visitors_outlive_a_relay_that_refuses(void **state)
{
	struct fixture *f = *state;
	struct stream *visitor = visit(f, &f->two, 0);

	f->two.answers[ASKED_CHALLENGE] = (struct test_answer){ 403, "ip_banned", false };
	time_pass(f->worker.loop, 2000);
	expose_retry_now(f->expose, "a test", false);
	wait_for(f, &f->two.asked[ASKED_CHALLENGE], 2);
	time_pass(f->worker.loop, 1000);
	assert_true(is_served(f, visitor));
	stream_abort(visitor);
}

/* ---- the end ---- */

static void test_leaving_unregisters_everywhere(void **state)
{
	struct fixture *f = *state;

	expose_leave(f->expose);
	expose_leave(f->expose);
	wait_for(f, &f->ended, 1);
	assert_int_equal(f->one.asked[ASKED_UNREGISTER], 1);
	assert_int_equal(f->two.asked[ASKED_UNREGISTER], 1);
	time_pass(f->worker.loop, 10000);
	assert_int_equal(f->ended, 1);
}

static void test_leaving_waits_for_visitors(void **state)
{
	struct fixture *f = *state;
	struct stream *visitor = visit(f, &f->one, 0);

	expose_leave(f->expose);
	time_pass(f->worker.loop, 3000);
	assert_int_equal(f->ended, 0);
	assert_true(is_served(f, visitor));
	stream_abort(visitor);
	stream_abort(f->served);
	f->served = NULL;
	wait_for(f, &f->ended, 1);
}

static void test_leaving_takes_5_s_at_most(void **state)
{
	struct fixture *f = *state;
	struct stream *visitor = visit(f, &f->one, 0);

	f->two.answers[ASKED_UNREGISTER].is_mute = true;
	expose_leave(f->expose);
	time_pass(f->worker.loop, EXPOSE_LEAVE_MS - 10);
	assert_int_equal(f->ended, 0);
	time_pass(f->worker.loop, 20);
	assert_int_equal(f->ended, 1);
	expose_close(f->expose);
	f->expose = NULL;
	stream_abort(visitor);
}

static void test_leaving_before_there_is_a_lease_is_quick(void **state)
{
	struct fixture *f = *state;

	set_relays(f, DEAD);
	time_pass(f->worker.loop, 10000);
	expose_leave(f->expose);
	wait_for(f, &f->ended, 1);
}

static void test_it_may_be_closed_at_any_time(void **state)
{
	struct fixture *f = *state;
	struct stream *visitor;

	for (unsigned turns = 0; turns < 40; turns++) {
		if (f->expose == NULL)
			open_expose(f);
		set_both(f);
		for (unsigned i = 0; i < turns; i++)
			time_turn(f->worker.loop);
		expose_close(f->expose);
		f->expose = NULL;
	}
	open_expose(f);
	set_relays(f, f->one.url);
	while (f->one.sessions_n > 0)
		test_relay_drop_session(&f->one, --f->one.sessions_n);
	wait_for(f, &f->one.sessions_n, 2);
	time_settle(f->worker.loop);
	visitor = visit(f, &f->one, 0);
	expose_close(f->expose);
	f->expose = NULL;
	stream_abort(visitor);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_BOTH(name) cmocka_unit_test_setup_teardown(name, setup_both, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_it_is_published_on_each_relay),
		TEST(test_a_dead_relay_disturbs_no_other),
		TEST_BOTH(test_a_relay_that_is_back_is_reported),
		TEST_BOTH(test_a_new_public_address_is_reported),
		TEST(test_a_refusing_relay_ends_only_its_own_session),
		TEST_BOTH(test_a_missing_relay_is_unregistered),
		TEST_BOTH(test_a_relay_wanted_again_while_it_unregisters_is_joined),
		TEST(test_an_ended_relay_is_retried_after_it_was_missing),
		TEST_BOTH(test_without_a_relay_it_is_over),
		TEST_BOTH(test_visitors_are_counted),
		TEST_BOTH(test_visitors_outlive_the_lease_they_came_through),
		TEST_BOTH(test_visitors_outlive_a_relay_that_refuses),
		TEST_BOTH(test_leaving_unregisters_everywhere),
		TEST_BOTH(test_leaving_waits_for_visitors),
		TEST_BOTH(test_leaving_takes_5_s_at_most),
		TEST(test_leaving_before_there_is_a_lease_is_quick),
		TEST(test_it_may_be_closed_at_any_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
