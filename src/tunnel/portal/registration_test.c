/* Behaviour of registrations, with a relay that says what the test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "http/server.h"
#include "net/listener.h"
#include "net/socket.h"
#include "tunnel/portal/identity_vector_test.h"
#include "tunnel/portal/registration.h"
#include "tunnel/portal/siwe.h"

#define DOMAIN_OK "{\"ok\":true,\"data\":{\"protocol_version\":\"7\"}}"
#define REFUSE(code) "{\"ok\":false,\"error\":{\"code\":\"" code "\",\"message\":\"no\"}}"

/* What the relay says to each path; no body: what a good relay says. */
struct answer {
	unsigned status;
	const char *body;
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
	int ttl_s;
	char asked[256]; /* the paths, with blanks behind them */
	char body[8192]; /* of the last request */
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

static int64_t now_s(void)
{
	return (int64_t)(clock_wall_ms() / 1000);
}

static void put_challenge(const struct fixture *f, struct buf *out)
{
	char uri[256];
	struct siwe m = {
		.domain = span_str(
			f->siwe_domain != NULL ? f->siwe_domain : f->relay.authority),
		.statement = span_str("Register a portal lease"),
		.nonce = span_str("AbCdEfGh12345678"),
		.request_id = span_str("rch_0011223344556677"),
		.issued_at = { .s = now_s() },
		.expires_at = { .s = now_s() + 120 },
		.has_expiry = true,
	};
	struct message_challenge c = { .challenge_id = "rch_0011223344556677" };
	struct buf text;

	snprintf(uri, sizeof(uri), "https://%.*s/sdk/register", (int)m.domain.n,
		(const char *)m.domain.p);
	m.uri = span_str(uri);
	str_copy(m.address, sizeof(m.address), VECTOR_ADDRESS);
	buf_init(&text, 4096);
	assert_int_equal(siwe_print(&m, &text), ERR_OK);
	memcpy(c.siwe_message, buf_front(&text), text.n);
	buf_fini(&text);
	assert_int_equal(message_put_reply(&message_challenge_shape, &c, out), ERR_OK);
}

static void put_lease(const struct fixture *f, struct buf *out, const char *token)
{
	buf_printf(out,
		"{\"ok\":true,\"data\":{\"identity\":{\"name\":\"%s\",\"address\":\"%s\"},"
		"\"access_token\":\"%s\",\"sni_port\":443,\"expires_at\":\"",
		f->name != NULL ? f->name : VECTOR_NAME, VECTOR_ADDRESS,
		f->token != NULL ? f->token : token);
	put_time(out, now_s() + f->ttl_s);
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
		put_challenge(f, good);
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
	http_collect(x, sizeof(f->body), on_body, f);
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

	assert_int_equal(registration_open(&o, &f->registration, NULL), ERR_OK);
}

static bool has_passed(uint64_t since_ms)
{
	usleep(200);
	return clock_now_ms() - since_ms > 5000;
}

/* Until one of these has happened so often. */
static void wait_for(struct fixture *f, const unsigned *what, unsigned count)
{
	uint64_t since = clock_now_ms();

	while (*what < count && !has_passed(since))
		loop_turn(f->loop);
	if (*what < count)
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
	assert_string_equal(registration_token(f->registration), "");
	wait_for(f, &f->held, 1);
	assert_string_equal(f->asked, "domain register/challenge register ");
	assert_string_equal(registration_token(f->registration), "first.token");
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

	f->domain = (struct answer){ 503, "oops" };
	begin(f);
	wait_for_end(f, REGISTRATION_FAILED);
}

static void test_something_else_is_no_relay(void **state)
{
	struct fixture *f = *state;

	f->domain = (struct answer){ 404, "not found" };
	begin(f);
	wait_for_end(f, REGISTRATION_REFUSED);
}

static void test_a_conflict_is_final(void **state)
{
	struct fixture *f = *state;

	f->registering = (struct answer){ 409, REFUSE("hostname_conflict") };
	begin(f);
	wait_for_end(f, REGISTRATION_REFUSED);
}

static void test_approval_may_come_later(void **state)
{
	struct fixture *f = *state;

	f->registering = (struct answer){ 403, REFUSE("lease_rejected") };
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

static void test_nobody_there_is_tried_again(void **state)
{
	struct fixture *f = *state;

	listener_close(f->listener);
	f->listener = NULL;
	begin(f);
	wait_for_end(f, REGISTRATION_FAILED);
}

/* ---- renewing and leaving ---- */

static void test_a_lease_is_renewed_in_time(void **state)
{
	struct fixture *f = *state;

	f->ttl_s = 1;
	begin(f);
	wait_for(f, &f->renewed, 1);
	assert_string_equal(registration_token(f->registration), "second.token");
	assert_non_null(strstr(f->body, "first.token"));
	wait_for(f, &f->renewed, 2);
	assert_non_null(strstr(f->body, "second.token"));
	assert_int_equal(f->ended, 0);
}

static void test_a_forgotten_lease_is_lost(void **state)
{
	struct fixture *f = *state;

	f->ttl_s = 1;
	f->renew = (struct answer){ 404, REFUSE("lease_not_found") };
	begin(f);
	wait_for_end(f, REGISTRATION_LOST);
	assert_int_equal(f->held, 1);
}

static void test_a_failed_renewal_is_no_loss(void **state)
{
	struct fixture *f = *state;

	f->ttl_s = 1;
	f->renew = (struct answer){ 500, REFUSE("internal") };
	begin(f);
	wait_for(f, &f->troubles, 1);
	assert_int_equal(f->ended, 0);
	assert_string_equal(registration_token(f->registration), "first.token");
}

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

static void test_leaving_ends_though_the_relay_refuses(void **state)
{
	struct fixture *f = *state;

	f->unregister = (struct answer){ 500, "oops" };
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
		TEST(test_a_conflict_is_final),
		TEST(test_approval_may_come_later),
		TEST(test_nothing_is_signed_for_another_site),
		TEST(test_a_lease_of_another_is_given_back),
		TEST(test_a_token_that_breaks_a_header_is_none),
		TEST(test_an_address_that_moves_a_cursor_is_none),
		TEST(test_nobody_there_is_tried_again),
		TEST(test_a_lease_is_renewed_in_time),
		TEST(test_a_forgotten_lease_is_lost),
		TEST(test_a_failed_renewal_is_no_loss),
		TEST(test_leaving_unregisters),
		TEST(test_leaving_ends_though_the_relay_refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
