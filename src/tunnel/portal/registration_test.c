/* Behaviour of registrations, with a relay that says what the test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "http/server.h"
#include "loop/timer_test.h"
#include "net/listener.h"
#include "net/socket.h"
#include "tunnel/portal/challenge_test.h"
#include "tunnel/portal/identity_vector_test.h"
#include "tunnel/portal/registration.h"

#define DOMAIN_OK "{\"ok\":true,\"data\":{\"protocol_version\":\"7\"}}"
#define REFUSE(code) "{\"ok\":false,\"error\":{\"code\":\"" code "\",\"message\":\"no\"}}"

/* What the relay says to each path; no body: what a good relay says. */
struct answer {
	unsigned status;
	const char *body;
	bool is_mute; /* nothing at all */
};

struct fixture {
	struct loop *loop;
	struct pool pool;
	struct http_server *server;
	struct listener *listener;
	struct relay_peer relay;
	struct identity identity;
	struct message_metadata metadata;
	struct registration *registration;

	struct answer domain, challenge, registering, renew, unregister;
	const char *siwe_domain, *name, *token; /* NULL: the right ones */
	int64_t ttl_s, ahead_s; /* of the lease, and of the relay's clock */
	unsigned renewals;
	char asked[2048]; /* the paths, with blanks behind them */
	char body[8192];  /* of the last request */
	char path[64];

	unsigned held, renewed, troubles, ended;
	enum registration_end end;
	struct why why;
};

/* ---- the relay ---- */

static void put_time(struct buf *out, int64_t s)
{
	char text[TIMEFMT_TEXT_MAX];

	buf_put_str(out, timefmt_print((struct timestamp){ .s = s }, text));
}

static int64_t now_s(const struct fixture *f)
{
	return (int64_t)(clock_wall_ms() / 1000) + f->ahead_s;
}

static void put_lease(const struct fixture *f, struct buf *out, const char *token)
{
	buf_printf(out,
		"{\"ok\":true,\"data\":{\"identity\":{\"name\":\"%s\",\"address\":\"%s\"},"
		"\"access_token\":\"%s\",\"sni_port\":443,\"expires_at\":\"",
		f->name != NULL ? f->name : VECTOR_NAME, VECTOR_ADDRESS,
		f->token != NULL ? f->token : token);
	put_time(out, now_s(f) + f->ttl_s);
	buf_put_str(out, "\"}}");
}

static const struct answer *answer_to(struct fixture *f, const char *path,
	struct buf *good)
{
	if (strcmp(path, "/sdk/domain") == 0) {
		buf_put_str(good, DOMAIN_OK);
		return &f->domain;
	}
	if (strcmp(path, "/sdk/register/challenge") == 0) {
		test_challenge_put(f->siwe_domain != NULL ? f->siwe_domain :
							    f->relay.authority,
			now_s(f), good);
		return &f->challenge;
	}
	if (strcmp(path, "/sdk/register") == 0) {
		put_lease(f, good, "first.token");
		return &f->registering;
	}
	if (strcmp(path, "/sdk/renew") == 0) {
		put_lease(f, good, "second.token");
		return &f->renew;
	}
	assert_string_equal(path, "/sdk/unregister");
	buf_put_str(good, "{\"ok\":true,\"data\":{}}");
	return &f->unregister;
}

static void on_body(void *arg, struct http_exchange *x, enum err rc, struct span body)
{
	struct fixture *f = arg;
	const struct answer *a;
	struct buf good;

	assert_int_equal(rc, ERR_OK);
	assert_true(body.n < sizeof(f->body));
	if (body.n > 0)
		memcpy(f->body, body.p, body.n);
	f->body[body.n] = '\0';
	buf_init(&good, 16384);
	a = answer_to(f, f->path, &good);
	f->renewals += a == &f->renew;
	if (!a->is_mute)
		http_reply(x, a->status != 0 ? a->status : 200,
			"Content-Type: application/json\r\n",
			a->body != NULL ? span_str(a->body) : buf_span(&good));
	buf_fini(&good);
}

static void on_request(void *arg, struct http_exchange *x)
{
	struct fixture *f = arg;
	struct span path = http1_path(http_request(x));

	assert_true(path.n < sizeof(f->path));
	memcpy(f->path, path.p, path.n);
	f->path[path.n] = '\0';
	snprintf(f->asked + strlen(f->asked), sizeof(f->asked) - strlen(f->asked), "%s ",
		f->path + strlen("/sdk/"));
	http_read_body(x, sizeof(f->body), on_body, f);
}

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	struct fixture *f = arg;
	struct stream *stream;

	assert_int_equal(socket_open_take(f->loop, fd, &stream), ERR_OK);
	http_server_serve_take(f->server, stream, peer);
}

/* ---- the client ---- */

static void on_held(void *owner, const struct message_lease *lease)
{
	struct fixture *f = owner;

	assert_true(lease->sni_port == 443);
	f->held++;
}

static void on_renewed(void *owner, const struct stream *tls)
{
	struct fixture *f = owner;

	(void)tls;
	f->renewed++;
}

static void on_trouble(void *owner, const struct why *why)
{
	struct fixture *f = owner;

	(void)why;
	f->troubles++;
}

static void on_ended(void *owner, enum registration_end end, const struct why *why)
{
	struct fixture *f = owner;

	f->registration = NULL;
	f->ended++;
	f->end = end;
	f->why = *why;
}

static const struct registration_hooks hooks = { on_held, on_renewed, on_trouble,
	on_ended };

static int setup(void **state)
{
	struct fixture *f = mem_new(f);
	struct http_server_options o = { .pool = &f->pool,
		.on_request = on_request,
		.arg = f };
	struct addr at;

	time_begin(1700000000000);
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	pool_init(&f->pool, 66560, 4);
	o.loop = f->loop;
	assert_int_equal(http_server_new(&o, &f->server), ERR_OK);
	assert_int_equal(listener_open(f->loop, "127.0.0.1", 0, on_accept, f,
				 &f->listener, NULL),
		ERR_OK);
	listener_addr(f->listener, &at);
	assert_int_equal(identity_parse(IDENTITY_CLIENT, span_str(VECTOR_FILE),
				 &f->identity, NULL),
		ERR_OK);
	str_copy(f->relay.host, sizeof(f->relay.host), "127.0.0.1");
	f->relay.port = addr_port(&at);
	snprintf(f->relay.authority, sizeof(f->relay.authority), "127.0.0.1:%u",
		f->relay.port);
	f->ttl_s = 120;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	registration_close(f->registration);
	http_server_free(f->server);
	listener_close(f->listener);
	loop_turn(f->loop);
	loop_free(f->loop);
	pool_fini(&f->pool);
	identity_wipe(&f->identity);
	free(f);
	return 0;
}

static void begin(struct fixture *f)
{
	struct registration_options o = {
		.loop = f->loop,
		.relay = &f->relay,
		.identity = &f->identity,
		.metadata = &f->metadata,
		.hooks = &hooks,
		.owner = f,
	};

	f->ended = 0;
	assert_int_equal(registration_open(&o, &f->registration, NULL), ERR_OK);
}

/* Until one of these has happened so often; no time passes. */
static void wait_for(struct fixture *f, const unsigned *what, unsigned count)
{
	if (!time_wait(f->loop, what, count))
		fail_msg("asked %s; ended: %s", f->asked, f->why.text);
}

static void wait_for_end(struct fixture *f, enum registration_end end)
{
	wait_for(f, &f->ended, 1);
	assert_int_equal(f->end, end);
}

/* ---- registering ---- */

static void test_a_lease_takes_three_questions(void **state)
{
	struct fixture *f = *state;

	begin(f);
	assert_string_equal(registration_token(f->registration).text, "");
	wait_for(f, &f->held, 1);
	assert_string_equal(f->asked, "domain register/challenge register ");
	assert_string_equal(registration_token(f->registration).text, "first.token");
	assert_non_null(strstr(f->body, "\"siwe_signature\":\"0x"));
	assert_null(strstr(f->body, "reported_ip"));
}

static void test_another_protocol_is_final(void **state)
{
	struct fixture *f = *state;

	f->domain.body = "{\"ok\":true,\"data\":{\"protocol_version\":\"9\"}}";
	begin(f);
	wait_for_end(f, REGISTRATION_REFUSED);
	assert_non_null(strstr(f->why.text, "version 9"));
}

static void test_a_relay_in_trouble_is_tried_again(void **state)
{
	struct fixture *f = *state;

	f->domain = (struct answer){ 503, "oops", false };
	begin(f);
	wait_for_end(f, REGISTRATION_FAILED);
	assert_string_equal(f->why.text, "the relay refuses: oops");
	f->domain = (struct answer){ 502, "\n<html>Bad Gateway</html>\n", false };
	begin(f);
	wait_for_end(f, REGISTRATION_FAILED);
	assert_string_equal(f->why.text, "the relay refuses with status 502");
}

static void test_something_else_is_no_relay(void **state)
{
	struct fixture *f = *state;

	static const char *const words[] = { "not found", "<html>404</html>",
		"{\"ok\":false}" };

	for (size_t i = 0; i < mem_count(words); i++) {
		f->domain = (struct answer){ 404, words[i], false };
		begin(f);
		wait_for_end(f, REGISTRATION_REFUSED);
		assert_string_equal(f->why.text,
			"the server there is not a relay (status 404 for /sdk/domain)");
	}
	f->domain = (struct answer){ 200, "<html>hello</html>", false };
	begin(f);
	wait_for_end(f, REGISTRATION_REFUSED);
	assert_non_null(strstr(f->why.text, "not a relay (status 200"));
	f->domain = (struct answer){ 200, "{\"ok\":true,\"data\":{}}", false };
	begin(f);
	wait_for_end(f, REGISTRATION_REFUSED);
	assert_non_null(strstr(f->why.text, "not a relay (status 200"));
}

static void test_a_conflict_is_the_owner_s_to_judge(void **state)
{
	struct fixture *f = *state;

	f->registering = (struct answer){ 409, REFUSE("hostname_conflict"), false };
	begin(f);
	wait_for_end(f, REGISTRATION_TAKEN);
}

static void test_approval_may_come_later(void **state)
{
	struct fixture *f = *state;

	f->registering = (struct answer){ 403, REFUSE("lease_rejected"), false };
	begin(f);
	wait_for_end(f, REGISTRATION_FAILED);
}

static void test_nothing_is_signed_for_another_site(void **state)
{
	struct fixture *f = *state;

	f->siwe_domain = "other.example.com";
	begin(f);
	wait_for_end(f, REGISTRATION_FAILED);
	assert_string_equal(f->asked, "domain register/challenge ");
}

static void test_a_lease_of_another_is_given_back(void **state)
{
	struct fixture *f = *state;

	f->name = "somebody-else";
	begin(f);
	wait_for_end(f, REGISTRATION_FAILED);
	assert_string_equal(f->asked, "domain register/challenge register unregister ");
	assert_int_equal(f->held, 0);
}

static void test_a_token_that_breaks_a_header_is_none(void **state)
{
	struct fixture *f = *state;

	f->token = "a\\r\\nX: b";
	begin(f);
	wait_for_end(f, REGISTRATION_FAILED);
	assert_int_equal(f->held, 0);
}

static void test_an_address_that_moves_a_cursor_is_none(void **state)
{
	struct fixture *f = *state;

	f->token = "first.token\",\"tcp_addr\":\"a\\u001b[2J";
	begin(f);
	wait_for_end(f, REGISTRATION_FAILED);
	assert_int_equal(f->held, 0);
}

static void test_an_absent_peer_is_tried_again(void **state)
{
	struct fixture *f = *state;

	listener_close(f->listener);
	f->listener = NULL;
	begin(f);
	wait_for_end(f, REGISTRATION_FAILED);
}

/* ---- renewing ---- */

static void begin_held(struct fixture *f, int ttl_s)
{
	f->ttl_s = ttl_s;
	begin(f);
	wait_for(f, &f->held, 1);
}

/* The next is asked for after so long, and not before;
 * the relay's clock counts seconds. */
static void check_renews_after(struct fixture *f, uint64_t ms)
{
	unsigned before = f->renewals;

	time_pass(f->loop, ms - 100);
	assert_int_equal(f->renewals, before);
	time_pass(f->loop, 200);
	wait_for(f, &f->renewals, before + 1);
}

static void test_a_lease_is_renewed_in_time(void **state)
{
	struct fixture *f = *state;

	begin_held(f, 120);
	check_renews_after(f, 90000);
	wait_for(f, &f->renewed, 1);
	assert_string_equal(registration_token(f->registration).text, "second.token");
	assert_non_null(strstr(f->body, "first.token"));
	check_renews_after(f, 89900);
	wait_for(f, &f->renewed, 2);
	assert_non_null(strstr(f->body, "second.token"));
	assert_int_equal(f->ended, 0);
}

static void test_a_short_lease_is_renewed_at_its_half(void **state)
{
	struct fixture *f = *state;

	begin_held(f, 8);
	for (unsigned i = 0; i < 10; i++) {
		check_renews_after(f, i == 0 ? 4000 : 3900);
		wait_for(f, &f->renewed, i + 1);
	}
	assert_int_equal(f->ended, 0);
}

static void test_the_shortest_lease_is_a_second(void **state)
{
	struct fixture *f = *state;

	begin_held(f, 0);
	check_renews_after(f, 500);
	wait_for(f, &f->ended, 1); /* 0 again: that is no lease */
	assert_int_equal(f->end, REGISTRATION_LOST);
}

static void test_a_forgotten_lease_is_lost(void **state)
{
	struct fixture *f = *state;

	f->renew = (struct answer){ 404, REFUSE("lease_not_found"), false };
	begin_held(f, 120);
	time_pass(f->loop, 90100);
	wait_for_end(f, REGISTRATION_LOST);
	assert_int_equal(f->held, 1);
}

static const struct answer trouble = { 500, REFUSE("internal"), false };

/* Again and again every 3 s, said once; and well again before the end. */
static void test_renewals_that_fail_are_no_loss(void **state)
{
	struct fixture *f = *state;

	begin_held(f, 120);
	f->renew = trouble;
	time_pass(f->loop, 90100);
	for (unsigned i = 1; i < 8; i++) {
		wait_for(f, &f->renewals, i);
		assert_int_equal(f->troubles, 1);
		assert_string_equal(registration_token(f->registration).text,
			"first.token");
		time_pass(f->loop, 3000);
	}
	f->renew = (struct answer){ 0 };
	time_pass(f->loop, 3000);
	wait_for(f, &f->renewed, 1);
	assert_int_equal(f->ended, 0);
	f->renew = trouble;
	time_pass(f->loop, 91000);
	wait_for(f, &f->troubles, 2);
}

static void test_what_cannot_be_renewed_up_to_its_end_is_lost(void **state)
{
	struct fixture *f = *state;

	begin_held(f, 120);
	f->renew = trouble;
	time_pass(f->loop, 119000);
	assert_int_equal(f->ended, 0);
	time_pass(f->loop, 1500);
	wait_for_end(f, REGISTRATION_LOST);
	assert_true(f->renewals >= 10);
}

/* However short it is, there is time for a second attempt, and a third. */
static void test_short_leases_survive_a_failure(void **state)
{
	struct fixture *f = *state;

	begin_held(f, 3);
	f->renew = trouble;
	time_pass(f->loop, 2300);
	assert_true(f->renewals >= 2);
	f->renew = (struct answer){ 0 };
	time_pass(f->loop, 600);
	wait_for(f, &f->renewed, 1);
	assert_int_equal(f->ended, 0);
}

static void test_a_renewal_that_hangs_leaves_time_for_others(void **state)
{
	struct fixture *f = *state;

	begin_held(f, 120);
	f->renew.is_mute = true;
	time_pass(f->loop, 90100);
	wait_for(f, &f->renewals, 1);
	time_pass(f->loop, 10100); /* no answer */
	assert_int_equal(f->troubles, 1);
	time_pass(f->loop, 3000);
	wait_for(f, &f->renewals, 2);
	f->renew.is_mute = false;
	time_pass(f->loop, 14000); /* it hangs as before, and the next does not */
	wait_for(f, &f->renewed, 1);
	assert_int_equal(f->ended, 0);
}

/* ---- clocks ---- */

static void test_a_relay_s_clock_may_be_wrong(void **state)
{
	struct fixture *f = *state;

	f->ahead_s = -100000000;
	begin_held(f, 120);
	check_renews_after(f, 90000);
	wait_for(f, &f->renewed, 1);
	check_renews_after(f, 89900);
}

/* Only by registering do we learn what time it is there now. */
static void check_set_clock(struct fixture *f, int64_t by_s)
{
	begin_held(f, 120);
	f->ahead_s = by_s;
	time_pass(f->loop, 90100);
	wait_for_end(f, REGISTRATION_LOST);
	assert_int_equal(f->renewals, 1);
	assert_non_null(strstr(f->why.text, "clock"));
}

static void test_a_relay_s_clock_may_be_set_ahead(void **state)
{
	check_set_clock(*state, 20);
}

static void test_a_relay_s_clock_may_be_set_back(void **state)
{
	check_set_clock(*state, -3600);
}

static void test_a_relay_s_clock_may_be_corrected(void **state)
{
	struct fixture *f = *state;

	begin_held(f, 120);
	for (unsigned i = 0; i < 3; i++) {
		f->ahead_s += i % 2 == 0 ? -10 : 10;
		time_pass(f->loop, 91000);
		wait_for(f, &f->renewed, i + 1);
	}
	assert_int_equal(f->ended, 0);
}

static void test_a_long_sleep_registers_again(void **state)
{
	struct fixture *f = *state;

	begin_held(f, 120);
	time_sleep(f->loop, 90000 + 11000);
	wait_for_end(f, REGISTRATION_LOST);
	assert_int_equal(f->renewals, 0);
	assert_non_null(strstr(f->why.text, "suspended"));
}

static void test_a_short_sleep_renews(void **state)
{
	struct fixture *f = *state;

	begin_held(f, 120);
	time_pass(f->loop, 89000);
	time_sleep(f->loop, 8000);
	wait_for(f, &f->renewed, 1);
	assert_int_equal(f->ended, 0);
}

/* ---- leaving ---- */

static void test_leaving_unregisters(void **state)
{
	struct fixture *f = *state;

	begin(f);
	assert_false(registration_leave(f->registration));
	wait_for(f, &f->held, 1);
	assert_true(registration_leave(f->registration));
	assert_true(registration_leave(f->registration));
	wait_for_end(f, REGISTRATION_LEFT);
	assert_non_null(strstr(f->asked, " unregister "));
	assert_non_null(strstr(f->body, "first.token"));
}

/* It does not wait for an answer that may never come. */
static void test_leaving_goes_past_a_renewal_that_hangs(void **state)
{
	struct fixture *f = *state;

	begin_held(f, 120);
	f->renew.is_mute = true;
	time_pass(f->loop, 91000);
	wait_for(f, &f->renewals, 1);
	assert_true(registration_leave(f->registration));
	wait_for_end(f, REGISTRATION_LEFT); /* no time passes */
	assert_non_null(strstr(f->asked, " unregister "));
}

static void test_leaving_ends_though_the_relay_refuses(void **state)
{
	struct fixture *f = *state;

	f->unregister = (struct answer){ 500, "oops", false };
	begin(f);
	wait_for(f, &f->held, 1);
	assert_true(registration_leave(f->registration));
	wait_for_end(f, REGISTRATION_LEFT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_lease_takes_three_questions),
		TEST(test_another_protocol_is_final),
		TEST(test_a_relay_in_trouble_is_tried_again),
		TEST(test_something_else_is_no_relay),
		TEST(test_a_conflict_is_the_owner_s_to_judge),
		TEST(test_approval_may_come_later),
		TEST(test_nothing_is_signed_for_another_site),
		TEST(test_a_lease_of_another_is_given_back),
		TEST(test_a_token_that_breaks_a_header_is_none),
		TEST(test_an_address_that_moves_a_cursor_is_none),
		TEST(test_an_absent_peer_is_tried_again),
		TEST(test_a_lease_is_renewed_in_time),
		TEST(test_a_short_lease_is_renewed_at_its_half),
		TEST(test_the_shortest_lease_is_a_second),
		TEST(test_a_forgotten_lease_is_lost),
		TEST(test_renewals_that_fail_are_no_loss),
		TEST(test_what_cannot_be_renewed_up_to_its_end_is_lost),
		TEST(test_short_leases_survive_a_failure),
		TEST(test_a_renewal_that_hangs_leaves_time_for_others),
		TEST(test_a_relay_s_clock_may_be_wrong),
		TEST(test_a_relay_s_clock_may_be_set_ahead),
		TEST(test_a_relay_s_clock_may_be_set_back),
		TEST(test_a_relay_s_clock_may_be_corrected),
		TEST(test_a_long_sleep_registers_again),
		TEST(test_a_short_sleep_renews),
		TEST(test_leaving_unregisters),
		TEST(test_leaving_goes_past_a_renewal_that_hangs),
		TEST(test_leaving_ends_though_the_relay_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
