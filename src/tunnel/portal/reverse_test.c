/* Behaviour of reverse sessions, with a relay whose bytes are the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/listener.h"
#include "tunnel/portal/reverse.h"

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"
#define SAYS(f, bytes) say(f, bytes, sizeof(bytes) - 1)

struct fixture {
	struct loop *loop;
	struct listener *listener;
	struct relay_peer relay;
	struct reverse *session;
	int fd; /* the relay's end */
	unsigned accepted, ready, active, failed;
	enum marker kind;
	struct stream *stream;
	enum err rc;
	struct message_refusal refusal;
};

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	struct fixture *f = arg;

	(void)peer;
	f->fd = fd;
	f->accepted++;
}

static void on_ready(void *owner)
{
	struct fixture *f = owner;

	assert_int_equal(f->active, 0);
	f->ready++;
}

static void on_active(void *owner, enum marker kind, struct stream *stream,
	const struct addr *peer)
{
	struct fixture *f = owner;

	assert_true(addr_is_loopback(peer));
	f->session = NULL;
	f->active++;
	f->kind = kind;
	f->stream = stream;
}

static void on_failed(void *owner, enum err rc, const struct message_refusal *refusal,
	const struct why *why)
{
	struct fixture *f = owner;

	assert_true(why->text[0] != '\0');
	f->session = NULL;
	f->failed++;
	f->rc = rc;
	f->refusal = *refusal;
}

static const struct reverse_hooks hooks = { on_ready, on_active, on_failed };

static void wait_for(struct fixture *f, const unsigned *what)
{
	uint64_t since = clock_now_ms();

	while (*what == 0 && clock_now_ms() - since < 5000) {
		loop_turn(f->loop);
		usleep(200);
	}
	assert_int_not_equal(*what, 0);
}

static void say(struct fixture *f, const char *bytes, size_t n)
{
	assert_int_equal(send(f->fd, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);
	struct reverse_options o = {
		.token = "the.token",
		.hooks = &hooks,
		.owner = f,
	};
	struct addr at;

	f->fd = -1;
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	assert_int_equal(listener_open(f->loop, "127.0.0.1", 0, on_accept, f,
				 &f->listener, NULL),
		ERR_OK);
	listener_addr(f->listener, &at);
	str_copy(f->relay.host, sizeof(f->relay.host), "127.0.0.1");
	str_copy(f->relay.authority, sizeof(f->relay.authority), "relay.example.com");
	f->relay.port = addr_port(&at);
	o.loop = f->loop;
	o.relay = &f->relay;
	assert_int_equal(reverse_open(&o, &f->session, NULL), ERR_OK);
	wait_for(f, &f->accepted);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	reverse_close(f->session);
	stream_close(f->stream);
	if (f->fd >= 0)
		close(f->fd);
	listener_close(f->listener);
	loop_turn(f->loop);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void check_visitor(struct fixture *f, const char *bytes)
{
	char got[64];
	size_t n = 0, at = 0;

	wait_for(f, &f->active);
	while (at < strlen(bytes)) {
		enum err rc = stream_read(f->stream, got + at, sizeof(got) - at, &n);

		if (rc == ERR_OK)
			at += n;
		else
			assert_int_equal(rc, ERR_AGAIN);
	}
	assert_memory_equal(got, bytes, strlen(bytes));
}

static void test_it_asks_with_the_token(void **state)
{
	struct fixture *f = *state;
	char got[1024] = "";
	uint64_t since = clock_now_ms();
	ssize_t n = 0;

	while (n <= 0 && clock_now_ms() - since < 5000) {
		loop_turn(f->loop);
		n = recv(f->fd, got, sizeof(got) - 1, MSG_DONTWAIT);
	}
	assert_true(str_has_prefix(got,
		"GET /sdk/connect HTTP/1.1\r\nHost: relay.example.com\r\n"));
	assert_non_null(strstr(got, "\r\nX-Portal-Access-Token: the.token\r\n"));
	assert_string_equal(got + n - 4, "\r\n\r\n");
}

static void test_what_comes_with_the_head_is_not_lost(void **state)
{
	struct fixture *f = *state;

	SAYS(f, OK "\x02\x16\x03\x01hello");
	check_visitor(f, "\x16\x03\x01hello");
	assert_int_equal(f->kind, MARKER_TLS);
	assert_int_equal(f->ready, 1);
}

static void test_keepalives_are_waited_through(void **state)
{
	struct fixture *f = *state;

	SAYS(f, OK "\0\0");
	wait_for(f, &f->ready);
	SAYS(f, "\0\x01raw");
	check_visitor(f, "raw");
	assert_int_equal(f->kind, MARKER_RAW);
}

static void test_a_flood_of_keepalives_is_no_session(void **state)
{
	static const char flood[4096] = { 0 };
	struct fixture *f = *state;

	SAYS(f, OK);
	wait_for(f, &f->ready);
	say(f, flood, sizeof(flood));
	wait_for(f, &f->failed);
	assert_int_equal(f->rc, ERR_PROTO);
}

static void test_any_headers_will_do(void **state)
{
	struct fixture *f = *state;

	SAYS(f, "HTTP/1.1 200 Fine\r\nX: y\r\n\r\n\x01z");
	check_visitor(f, "z");
}

static void test_a_head_may_come_in_pieces(void **state)
{
	struct fixture *f = *state;
	static const char whole[] = OK "\x01z";

	for (size_t i = 0; i < sizeof(whole) - 1; i++) {
		say(f, whole + i, 1);
		loop_turn(f->loop);
	}
	check_visitor(f, "z");
}

static void test_a_refusal_is_reported_with_its_code(void **state)
{
	struct fixture *f = *state;

	SAYS(f,
		"HTTP/1.1 404 Not Found\r\nContent-Length: 64\r\n\r\n"
		"{\"error\":{\"code\":\"lease_not_found\",\"message\":\"gone\"},"
		"\"ok\":false}");
	wait_for(f, &f->failed);
	assert_int_equal(f->rc, ERR_DENIED);
	assert_int_equal(f->refusal.status, 404);
	assert_string_equal(f->refusal.code, "lease_not_found");
}

/* Each of these is complete: the relay need not close the connection for it to be
 * told. */
static void test_a_refusal_may_have_no_body(void **state)
{
	static const struct {
		const char *bytes;
		unsigned status;
	} refusals[] = {
		{ "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n", 503 },
		{ "HTTP/1.1 204 No Content\r\n\r\n", 204 },
		{ "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304 },
		{ "HTTP/1.1 401 Unauthorized\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "0\r\n\r\n",
			401 },
		{ "HTTP/1.1 429 Too Many Requests\r\nContent-Length: 2\r\n\r\n{}", 429 },
	};

	for (size_t i = 0; i < mem_count(refusals); i++) {
		struct fixture *f;

		if (i > 0)
			assert_int_equal(setup(state), 0);
		f = *state;
		say(f, refusals[i].bytes, strlen(refusals[i].bytes));
		wait_for(f, &f->failed);
		assert_int_equal(f->rc, ERR_DENIED);
		assert_int_equal(f->refusal.status, refusals[i].status);
		if (i + 1 < mem_count(refusals))
			teardown(state);
	}
}

static void test_another_byte_is_no_marker(void **state)
{
	struct fixture *f = *state;

	SAYS(f, OK "\x03");
	wait_for(f, &f->failed);
	assert_int_equal(f->rc, ERR_PROTO);
}

static void test_a_disconnecting_relay_is_noticed(void **state)
{
	struct fixture *f = *state;
	char request[1024];

	SAYS(f, OK);
	wait_for(f, &f->ready);
	assert_true(recv(f->fd, request, sizeof(request), 0) > 0); /* or it is a reset */
	close(f->fd);
	f->fd = -1;
	wait_for(f, &f->failed);
	assert_int_equal(f->rc, ERR_CLOSED);
}

static void test_what_is_not_http_is_refused(void **state)
{
	struct fixture *f = *state;

	SAYS(f, "SSH-2.0-x\r\n\r\n");
	wait_for(f, &f->failed);
	assert_int_equal(f->rc, ERR_SYNTAX);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_it_asks_with_the_token),
		TEST(test_what_comes_with_the_head_is_not_lost),
		TEST(test_keepalives_are_waited_through),
		TEST(test_a_flood_of_keepalives_is_no_session),
		TEST(test_any_headers_will_do),
		TEST(test_a_head_may_come_in_pieces),
		TEST(test_a_refusal_is_reported_with_its_code),
		TEST(test_a_refusal_may_have_no_body),
		TEST(test_another_byte_is_no_marker),
		TEST(test_a_disconnecting_relay_is_noticed),
		TEST(test_what_is_not_http_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
