/* Behaviour of the server, over streams that trickle, block and break. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <time.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http/server.h"
#include "net/fake_test.h"

#define DATE "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
#define DATE_MS 784111777000U
#define TEXT "Content-Type: text/plain; charset=utf-8\r\n"
#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define FOUND "HTTP/1.1 200 OK\r\n" DATE TEXT "Content-Length: 2\r\n"
#define ANSWER FOUND "\r\nhi"
#define LAST_ANSWER FOUND "Connection: close\r\n\r\nhi"

struct fixture {
	struct loop *loop;
	struct pool pool;
	struct http_server_options options;
	struct http_server *server;
	struct fake client;
	struct addr peer;

	unsigned requests;
	bool is_late;            /* the request is answered by the test */
	struct http_exchange *x; /* the last request */
	enum err upgraded;
	struct stream *stream;
	enum err collected;
	unsigned released;
	bool answers_late; /* a collected request is answered by the test */
};

static void on_body(void *arg, struct http_exchange *x, enum err rc, struct span body)
{
	struct fixture *f = arg;

	f->collected = rc;
	if (!f->answers_late)
		http_reply(x, rc == ERR_OK ? 200 : 413, NULL, body);
}

static void on_release(void *arg)
{
	struct fixture *f = arg;

	f->released++;
}

static void on_request(void *arg, struct http_exchange *x)
{
	struct fixture *f = arg;
	struct span path = http1_path(http_request(x));

	f->requests++;
	f->x = x;
	if (f->is_late)
		return;
	if (span_is(path, "/upgrade"))
		f->upgraded = http_upgrade(x, "Upgrade: x\r\n", &f->stream);
	else if (span_is(path, "/detach"))
		f->upgraded = http_detach(x, 200,
			"Content-Length: 0\r\nConnection: keep-alive\r\n", &f->stream);
	else if (span_is(path, "/body"))
		http_read_body(x, 8, on_body, f);
	else if (span_is(path, "/long"))
		http_read_body(x, 65536, on_body, f);
	else if (span_is(path, "/shared"))
		http_reply_shared(x, 200, NULL,
			&(struct http_shared){ .bytes = span_str("hi"),
				.release = on_release,
				.arg = f });
	else if (span_is(path, "/last"))
		http_reply(x, 200, "Connection: close\r\n", span_str("hi"));
	else if (span_is(path, "/html"))
		http_reply(x, 404, "Content-type: text/html\r\n", span_str("no"));
	else
		http_reply(x, 200, NULL, span_str("hi"));
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);

	assert_int_equal(loop_new(&f->loop), ERR_OK);
	pool_init(&f->pool, 4096, 8);
	f->options = (struct http_server_options){
		.loop = f->loop,
		.pool = &f->pool,
		.on_request = on_request,
		.arg = f,
	};
	assert_int_equal(http_server_new(&f->options, &f->server), ERR_OK);
	fake_init(&f->client, f->loop, 0);
	assert_int_equal(addr_from_literal("192.0.2.7", 7, &f->peer), ERR_OK);
	clock_freeze(DATE_MS);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	http_server_free(f->server);
	fake_fini(&f->client);
	pool_fini(&f->pool);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void new_server(struct fixture *f)
{
	http_server_free(f->server);
	assert_int_equal(http_server_new(&f->options, &f->server), ERR_OK);
}

static void new_client(struct fixture *f, const char *text)
{
	fake_fini(&f->client);
	fake_init(&f->client, f->loop, 0);
	f->client.in = span_str(text);
	f->requests = 0;
}

static void run(struct fixture *f)
{
	for (int i = 0; i < 3000 && !f->client.is_closed; i++)
		loop_turn(f->loop);
}

static void serve(struct fixture *f)
{
	http_server_serve_take(f->server, &f->client.stream, &f->peer);
	run(f);
}

static void check_out(const struct fixture *f, const char *expected)
{
	if (!span_is(span_of(f->client.out, f->client.out_n), expected))
		fail_msg("%.*s\n is not\n%s", (int)f->client.out_n,
			(const char *)f->client.out, expected);
}

/* Served whole, in trickles, and to a client that hardly reads. */
static void check_serves(struct fixture *f, const char *text, const char *expected)
{
	for (size_t step = 0; step <= strlen(text); step += 1 + step / 3) {
		for (int is_blocking = 0; is_blocking < 2; is_blocking++) {
			new_client(f, text);
			f->client.in_step = step;
			f->client.is_blocking = is_blocking != 0;
			f->client.out_step = is_blocking ? 5 : 0;
			serve(f);
			check_out(f, expected);
			assert_true(f->client.is_closed);
		}
	}
}

static void test_requests_are_answered_in_order(void **state)
{
	struct fixture *f = *state;

	check_serves(f, GET "\r\n", ANSWER);
	check_serves(f, GET "\r\nGET /html HTTP/1.1\r\nHost: a\r\n\r\n" GET "\r\n",
		ANSWER "HTTP/1.1 404 Not Found\r\n" DATE
		       "Content-Length: 2\r\nContent-type: text/html\r\n\r\nno" ANSWER);
	assert_int_equal(f->requests, 3);
	assert_false(f->client.is_aborted);
}

static void test_a_client_may_ask_to_close(void **state)
{
	struct fixture *f = *state;

	check_serves(f, GET "Connection: close\r\n\r\n" GET "\r\n", LAST_ANSWER);
	assert_int_equal(f->requests, 1);
	assert_true(f->client.is_finished);
	check_serves(f, "GET / HTTP/1.0\r\n\r\n" GET "\r\n", LAST_ANSWER);
	check_serves(f, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		FOUND "Connection: keep-alive\r\n\r\nhi");
}

static void test_an_answer_may_close_the_connection(void **state)
{
	struct fixture *f = *state;

	check_serves(f, "GET /last HTTP/1.1\r\nHost: a\r\n\r\n" GET "\r\n", LAST_ANSWER);
	assert_int_equal(f->requests, 1);
	assert_true(f->client.is_finished);
}

static void test_head_is_answered_without_a_body(void **state)
{
	check_serves(*state, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" GET "\r\n",
		FOUND "\r\n" ANSWER);
}

static void test_a_shared_body_is_released_once(void **state)
{
	static const char shared[] = "GET /shared HTTP/1.1\r\nHost: a\r\n\r\n";
	struct fixture *f = *state;

	check_serves(f, shared, ANSWER);
	check_serves(f, "HEAD /shared HTTP/1.1\r\nHost: a\r\n\r\n" GET "\r\n",
		FOUND "\r\n" ANSWER);
	f->released = 0;
	new_client(f, shared);
	serve(f);
	assert_int_equal(f->released, 1);
	for (size_t room = 1; room < strlen(ANSWER); room++) {
		new_client(f, shared); /* reads no more than that */
		f->client.in_end = ERR_AGAIN;
		f->client.out_step = 1;
		f->client.is_blocking = true;
		http_server_serve_take(f->server, &f->client.stream, &f->peer);
		for (int i = 0; i < 1000 && f->client.out_n < room; i++)
			loop_turn(f->loop);
		assert_int_equal(f->client.out_n, room);
		f->released = 0;
		new_server(f);
		assert_int_equal(f->released, 1);
	}
}

static void test_a_body_is_dropped(void **state)
{
	struct fixture *f = *state;

	check_serves(f, GET "Content-Length: 5\r\n\r\nhello" GET "\r\n", ANSWER ANSWER);
	check_serves(f,
		GET "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" GET
		    "\r\n",
		ANSWER ANSWER);
}

static void test_a_body_that_breaks_ends_the_connection(void **state)
{
	check_serves(*state, GET "Transfer-Encoding: chunked\r\n\r\n5\nhello" GET "\r\n",
		ANSWER);
}

static void test_a_huge_body_closes_the_connection(void **state)
{
	struct fixture *f = *state;
	size_t n = 4 << 20;
	char *text = calloc(1, n);

	snprintf(text, n, GET "Content-Length: 999999999\r\n\r\n");
	new_client(f, "");
	f->client.in = span_of(text, n);
	serve(f);
	check_out(f, ANSWER);
	assert_true(f->client.is_finished);
	free(text);
}

static void test_100_continue_is_not_sent_for_an_unread_body(void **state)
{
	struct fixture *f = *state;

	check_serves(f, GET "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n",
		LAST_ANSWER);
	check_serves(f, GET "Expect: a miracle\r\n\r\n",
		"HTTP/1.1 417 Expectation Failed\r\n" DATE TEXT
		"Content-Length: 23\r\nConnection: close\r\n\r\n417 Expectation Failed\n");
}

static void test_bad_requests_are_answered_and_lingered_for(void **state)
{
	struct fixture *f = *state;
	char *text = malloc(70000);

	check_serves(f, "GET / HTTP/1.1\r\n\r\n" GET "\r\n",
		"HTTP/1.1 400 Bad Request\r\n" DATE TEXT
		"Content-Length: 16\r\nConnection: close\r\n\r\n400 Bad Request\n");
	assert_int_equal(f->requests, 0);
	assert_true(f->client.is_finished);
	assert_int_equal(f->client.in.n,
		0); /* read to its end, so that nothing is reset */
	memset(text, 'x', 69999);
	text[69999] = '\0';
	memcpy(text, GET "X: ", strlen(GET "X: "));
	new_client(f, text);
	serve(f);
	check_out(f,
		"HTTP/1.1 431 Request Header Fields Too Large\r\n" DATE TEXT
		"Content-Length: 36\r\nConnection: close\r\n\r\n431 Request Header Fields Too Large\n");
	f->options.head_max = 1100; /* a setting */
	new_server(f);
	for (int n = 1100; n <= 1101; n++) {
		snprintf(text, 2000, GET "X: %0*d\r\n\r\n",
			n - (int)strlen(GET "X: \r\n\r\n"), 0);
		new_client(f, text);
		serve(f);
		assert_memory_equal(f->client.out + 9, n <= 1100 ? "200" : "431", 3);
	}
	free(text);
}

static void test_connect_is_refused(void **state)
{
	struct fixture *f = *state;

	check_serves(f, "CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n" GET "\r\n",
		"HTTP/1.1 405 Method Not Allowed\r\n" DATE TEXT
		"Content-Length: 23\r\nConnection: close\r\n\r\n405 Method Not Allowed\n");
	assert_int_equal(f->requests, 0);
}

static void test_an_answer_may_come_later(void **state)
{
	struct fixture *f = *state;

	f->is_late = true;
	new_client(f, GET "\r\n" GET "\r\n");
	serve(f);
	assert_int_equal(f->requests, 1);
	assert_int_equal(f->client.out_n, 0);
	assert_int_equal(addr_port(http_peer(f->x)), 7);
	f->is_late = false;
	http_reply(f->x, 200, NULL, span_str("hi"));
	assert_int_equal(f->requests, 1); /* never from inside the answer */
	run(f);
	assert_int_equal(f->requests, 2);
	check_out(f, ANSWER ANSWER);
}

static void test_an_upgrade_hands_the_stream_over(void **state)
{
	struct fixture *f = *state;

	new_client(f, "GET /upgrade HTTP/1.1\r\nHost: a\r\n\r\n");
	f->client.in_end = ERR_AGAIN;
	serve(f);
	assert_int_equal(f->upgraded, ERR_OK);
	assert_ptr_equal(f->stream, &f->client.stream);
	check_out(f, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n");
	assert_false(f->client.is_closed);
	assert_int_equal(f->client.wants, 0);
}

static void test_bytes_before_the_upgrade_end_it(void **state)
{
	struct fixture *f = *state;
	const char *text = "GET /upgrade HTTP/1.1\r\nHost: a\r\n\r\n!";

	new_client(f, text);
	serve(f);
	assert_int_equal(f->upgraded, ERR_PROTO);
	assert_true(f->client.is_aborted);
	assert_int_equal(f->client.out_n, 0);

	new_client(f, text); /* arrived after the head */
	f->client.in_step = strlen(text) - 1;
	serve(f);
	assert_int_equal(f->upgraded, ERR_PROTO);
	assert_true(f->client.is_aborted);
}

static void test_an_upgrade_without_room_for_its_head_fails(void **state)
{
	struct fixture *f = *state;

	new_client(f, "GET /upgrade HTTP/1.1\r\nHost: a\r\n\r\n");
	f->client.in_end = ERR_AGAIN;
	f->client.out_step = 5;
	serve(f);
	assert_int_equal(f->upgraded, ERR_LIMIT);
	assert_true(f->client.is_aborted);
}

static void test_a_stream_is_detached_after_the_given_head(void **state)
{
	struct fixture *f = *state;

	new_client(f, "GET /detach HTTP/1.1\r\nHost: a\r\n\r\n");
	f->client.in_end = ERR_AGAIN;
	serve(f);
	assert_int_equal(f->upgraded, ERR_OK);
	assert_ptr_equal(f->stream, &f->client.stream);
	check_out(f,
		"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n");
	assert_false(f->client.is_closed);

	new_client(f, "GET /detach HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
	f->client.in_end = ERR_AGAIN; /* something is still to come */
	serve(f);
	assert_int_equal(f->upgraded, ERR_PROTO);
	assert_true(f->client.is_aborted);
}

#define POST "POST /body HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define TOO_LONG \
	"HTTP/1.1 413 Content Too Large\r\n" DATE TEXT \
	"Content-Length: 0\r\nConnection: close\r\n\r\n"
#define MALFORMED \
	"HTTP/1.1 400 Bad Request\r\n" DATE TEXT \
	"Content-Length: 0\r\nConnection: close\r\n\r\n"

static void test_a_body_is_read(void **state)
{
	struct fixture *f = *state;

	check_serves(f, POST "Content-Length: 2\r\n\r\nhi" GET "\r\n", ANSWER ANSWER);
	check_serves(f, CHUNKED "1\r\nh\r\n1\r\ni\r\n0\r\n\r\n" GET "\r\n",
		ANSWER ANSWER);
	check_serves(f, POST "\r\n" GET "\r\n",
		"HTTP/1.1 200 OK\r\n" DATE TEXT "Content-Length: 0\r\n\r\n" ANSWER);
	assert_int_equal(f->collected, ERR_OK);
	new_client(f, POST "Expect: 100-continue\r\nContent-Length: 8\r\n\r\n");
	f->client.in_end = ERR_AGAIN;
	serve(f);
	check_out(f, "HTTP/1.1 100 Continue\r\n\r\n");
	new_server(f);
}

/* No stream is ready for an end that lies in bytes which are here already. */
static void test_a_body_ends_without_further_bytes(void **state)
{
	static const char *const requests[] = {
		POST "Content-Length: 2\r\n\r\nhi",
		CHUNKED "2\r\nhi\r\n0\r\n\r\n",
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < mem_count(requests); i++) {
		f->collected = ERR_AGAIN;
		new_client(f, requests[i]);
		f->client.in_end = ERR_AGAIN;
		serve(f);
		check_out(f, ANSWER);
		assert_int_equal(f->collected, ERR_OK);
		new_server(f);
	}
}

static void test_a_body_that_is_too_long_is_reported(void **state)
{
	struct fixture *f = *state;

	check_serves(f, POST "Content-Length: 9\r\n\r\n123456789" GET "\r\n", TOO_LONG);
	check_serves(f, CHUNKED "9\r\n123456789\r\n0\r\n\r\n" GET "\r\n", TOO_LONG);
	assert_int_equal(f->collected, ERR_LIMIT);
}

static void test_a_body_that_is_malformed_is_refused(void **state)
{
	struct fixture *f = *state;

	check_serves(f, CHUNKED "z\r\n" GET "\r\n", MALFORMED);
	check_serves(f, POST "Content-Length: 2\r\n\r\nh", MALFORMED);
	assert_int_equal(f->requests, 1);
}

static void test_a_request_may_be_answered_after_its_body(void **state)
{
	struct fixture *f = *state;

	f->answers_late = true;
	new_client(f, POST "Content-Length: 2\r\n\r\nhi" GET "\r\n");
	serve(f);
	assert_int_equal(f->client.out_n, 0);
	http_reply(f->x, 200, NULL, span_str("hi"));
	run(f);
	check_out(f, ANSWER ANSWER);
}

#define LONG "POST /long HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: "

/* Begins a request for a body of @n bytes, of which @sent come. */
static void send_long(struct fixture *f, struct fake *from, char *text, size_t n,
	size_t sent)
{
	int at = snprintf(text, 128, LONG "%zu\r\n\r\n", n);

	memset(text + at, 'x', n);
	fake_init(from, f->loop, 0);
	from->in = span_of(text, (size_t)at + sent);
	from->in_end = sent < n ? ERR_AGAIN : ERR_EOF;
	f->collected = ERR_AGAIN;
	http_server_serve_take(f->server, &from->stream, &f->peer);
	for (int i = 0; i < 100; i++)
		loop_turn(f->loop);
}

/* A whole request; what became of its body. */
static enum err try_long(struct fixture *f, size_t n)
{
	static char text[32768];
	struct fake from;

	send_long(f, &from, text, n, n);
	assert_true(from.is_closed);
	fake_fini(&from);
	return f->collected;
}

static void test_bodies_share_a_memory_limit(void **state)
{
	static char text[32768];
	struct fixture *f = *state;
	struct http_exchange *x;

	f->options.bodies_max = 20000;
	new_server(f);
	fake_fini(&f->client);
	send_long(f, &f->client, text, 16000, 15000);
	assert_int_equal(f->collected, ERR_AGAIN);
	x = f->x;
	assert_int_equal(try_long(f, 16000), ERR_NOMEM);
	assert_int_equal(try_long(f, 8000), ERR_OK); /* needs none */

	f->answers_late = true;
	f->client.in = span_of(text + 100, 1000); /* the rest */
	stream_want(&f->client.stream, LOOP_READ);
	for (int i = 0; i < 100; i++)
		loop_turn(f->loop);
	assert_int_equal(f->collected, ERR_OK);
	f->answers_late = false;
	assert_int_equal(try_long(f, 16000), ERR_NOMEM); /* until it is answered */
	http_reply(x, 200, NULL, span_str("hi"));
	assert_int_equal(try_long(f, 16000), ERR_OK);
	new_server(f);
}

static void wait_for_close(struct fixture *f)
{
	struct timespec ms = { .tv_nsec = 1000000 };

	for (int i = 0; i < 2000 && !f->client.is_closed; i++) {
		loop_turn(f->loop);
		nanosleep(&ms, NULL);
	}
	assert_true(f->client.is_closed);
}

static void test_a_slow_head_times_out(void **state)
{
	struct fixture *f = *state;

	f->options.head_ms = 20;
	new_server(f);
	new_client(f, GET);
	f->client.in_step = 1;
	f->client.in_end = ERR_AGAIN;
	http_server_serve_take(f->server, &f->client.stream, &f->peer);
	for (int i = 0; f->client.out_n == 0 && i < 1000000; i++)
		loop_turn(f->loop);
	check_out(f,
		"HTTP/1.1 408 Request Timeout\r\n" DATE TEXT
		"Content-Length: 20\r\nConnection: close\r\n\r\n408 Request Timeout\n");
	f->client.in_end = ERR_EOF;
	stream_want(&f->client.stream, LOOP_READ);
	wait_for_close(f);
}

static void test_a_silent_connection_is_closed_without_an_answer(void **state)
{
	struct fixture *f = *state;

	f->options.head_ms = 20;
	f->options.idle_ms = 30;
	new_server(f);
	new_client(f, "");
	f->client.in_end = ERR_AGAIN;
	http_server_serve_take(f->server, &f->client.stream, &f->peer);
	wait_for_close(f);
	assert_int_equal(f->client.out_n, 0);

	new_client(f, GET "\r\n");
	f->client.in_end = ERR_AGAIN;
	http_server_serve_take(f->server, &f->client.stream, &f->peer);
	wait_for_close(f);
	check_out(f, ANSWER);
}

/* A client may connect before it has a request. */
static void test_a_new_connection_may_be_given_more_time_than_a_head(void **state)
{
	struct fixture *f = *state;
	struct timespec ms = { .tv_nsec = 40000000 };

	f->options.first_ms = 60000;
	f->options.head_ms = 20;
	f->options.idle_ms = 30;
	new_server(f);
	new_client(f, "");
	f->client.in_end = ERR_AGAIN;
	http_server_serve_take(f->server, &f->client.stream, &f->peer);
	nanosleep(&ms, NULL);
	f->client.in = span_str("G"); /* the time of a head begins */
	stream_want(&f->client.stream, LOOP_READ);
	for (int i = 0; f->client.out_n == 0 && i < 1000000; i++)
		loop_turn(f->loop);
	check_out(f,
		"HTTP/1.1 408 Request Timeout\r\n" DATE TEXT
		"Content-Length: 20\r\nConnection: close\r\n\r\n408 Request Timeout\n");
	f->client.in_end = ERR_EOF;
	stream_want(&f->client.stream, LOOP_READ);
	wait_for_close(f);
}

static void test_connections_have_a_bound(void **state)
{
	struct fixture *f = *state;
	struct fake other;

	f->options.connections_max = 1;
	new_server(f);
	f->is_late = true;
	new_client(f, GET "\r\n");
	f->client.in_end = ERR_AGAIN;
	serve(f);
	fake_init(&other, f->loop, 0);
	http_server_serve_take(f->server, &other.stream, &f->peer);
	assert_true(other.is_closed);
	assert_false(f->client.is_closed);
	fake_fini(&other);

	http_reply(f->x, 200, NULL, span_str("hi"));
	run(f);
	check_out(f, ANSWER);
	f->is_late = false;
	new_server(f);
	new_client(f, GET "\r\n"); /* there is room again */
	serve(f);
	check_out(f, ANSWER);
}

static void test_a_connection_without_a_request_is_closed_at_the_limit(void **state)
{
	static const char *const silent[] = { "", "GET", GET "\r\n",
		POST "Content-Length: 8\r\n\r\nhalf" };
	struct fixture *f = *state;
	struct fake old;

	f->options.connections_max = 1;
	for (size_t i = 0; i < mem_count(silent); i++) {
		new_server(f);
		fake_init(&old, f->loop, 0);
		old.in = span_str(silent[i]);
		old.in_end = ERR_AGAIN;
		http_server_serve_take(f->server, &old.stream, &f->peer);
		for (int turn = 0; turn < 20; turn++)
			loop_turn(f->loop);
		assert_false(old.is_closed);
		new_client(f, GET "\r\n");
		http_server_serve_take(f->server, &f->client.stream, &f->peer);
		assert_true(old.is_closed);
		run(f);
		check_out(f, ANSWER);
		fake_fini(&old);
	}
}

static void test_a_server_may_be_freed_at_any_time(void **state)
{
	struct fixture *f = *state;

	for (int turns = 0; turns < 40; turns++) {
		for (int is_late = 0; is_late < 2; is_late++) {
			new_client(f, POST "Content-Length: 3\r\n\r\nabc" GET "\r\n");
			f->is_late = is_late != 0;
			f->client.in_step = 9;
			f->client.out_step = 9;
			http_server_serve_take(f->server, &f->client.stream, &f->peer);
			for (int i = 0; i < turns; i++)
				loop_turn(f->loop);
			new_server(f);
			assert_true(f->client.is_closed);
		}
	}
}

static void test_a_broken_client_ends_only_itself(void **state)
{
	struct fixture *f = *state;

	for (unsigned at = 1; at < 30; at++) {
		new_client(f, GET "\r\n" POST "Content-Length: 3\r\n\r\nabc" GET "\r\n");
		f->client.fails_at = at;
		f->client.in_step = 20;
		serve(f);
		assert_true(f->client.is_closed);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_requests_are_answered_in_order,
			setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_client_may_ask_to_close, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_an_answer_may_close_the_connection,
			setup, teardown),
		cmocka_unit_test_setup_teardown(test_head_is_answered_without_a_body,
			setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_shared_body_is_released_once,
			setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_body_is_dropped, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_body_that_breaks_ends_the_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_huge_body_closes_the_connection,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_100_continue_is_not_sent_for_an_unread_body, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_bad_requests_are_answered_and_lingered_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_connect_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_an_answer_may_come_later, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_an_upgrade_hands_the_stream_over,
			setup, teardown),
		cmocka_unit_test_setup_teardown(test_bytes_before_the_upgrade_end_it,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_an_upgrade_without_room_for_its_head_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_stream_is_detached_after_the_given_head, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_body_ends_without_further_bytes,
			setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_body_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_body_that_is_too_long_is_reported,
			setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_body_that_is_malformed_is_refused,
			setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_a_request_may_be_answered_after_its_body, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_slow_head_times_out, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_a_silent_connection_is_closed_without_an_answer, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_a_new_connection_may_be_given_more_time_than_a_head, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_bodies_share_a_memory_limit, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_connections_have_a_bound, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			test_a_connection_without_a_request_is_closed_at_the_limit, setup,
			teardown),
		cmocka_unit_test_setup_teardown(test_a_server_may_be_freed_at_any_time,
			setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_broken_client_ends_only_itself,
			setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
