/* Behaviour of the client: with our own server, plain and over TLS, and with hostile
 * ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "http/client.h"
#include "http/server.h"
#include "net/contexts_test.h"
#include "net/listener.h"
#include "net/socket.h"

#define OK "HTTP/1.1 200 OK\r\n"
#define PEERS_MAX 16
#define ENDS_MAX 16

/* A connection of the server that says what it is told to. */
struct peer {
	struct fixture *f;
	struct stream *stream;
	struct buf heard;
	unsigned answered;
};

/* How a question ended. */
struct end {
	struct fixture *f;
	unsigned calls;
	enum err rc;
	unsigned status;
	bool is_reused;
	char body[64], words[256];
	struct http_transfer *ask;
	bool frees_client, asks_again;
};

struct fixture {
	struct loop *loop;
	struct pool pool;
	struct tls_context *server_tls, *client_tls;
	struct listener *listener;
	struct http_server *server;
	bool is_scripted, is_secure;

	/* Of a scripted one: */
	const char *script
		[4]; /* for the 1st, 2nd ... connection; the last is for all others */
	unsigned closes_after; /* so many answers; 0: never */
	struct peer peers[PEERS_MAX];
	unsigned accepted;
	char *asked; /* the first request */

	/* Of our own: */
	struct http_exchange *held[ENDS_MAX]; /* requests for "/hold" */
	unsigned held_n, requests;

	struct http_client_options options;
	struct http_client *client;
	struct end ends[ENDS_MAX];
};

/* ---- servers ---- */

static void on_request(void *arg, struct http_exchange *x)
{
	struct fixture *f = arg;
	struct span path = http1_path(http_request(x));

	f->requests++;
	if (span_is(path, "/hold"))
		f->held[f->held_n++] = x;
	else
		http_reply(x, 200, NULL, path);
}

static void peer_say(struct peer *p)
{
	unsigned i = (unsigned)(p - p->f->peers);
	const char *text;
	size_t put;

	while (i > 0 && (i >= mem_count(p->f->script) || p->f->script[i] == NULL))
		i--;
	text = p->f->script[i];
	if (text[0] != '\0' && stream_put(p->stream, text, strlen(text), &put) != ERR_OK)
		return;
	if (p->f->asked == NULL)
		p->f->asked = span_dup(buf_span(&p->heard));
	buf_reset(&p->heard);
	p->answered++;
}

static void peer_end(struct peer *p)
{
	stream_close(p->stream);
	p->stream = NULL;
}

static void peer_on_ready(void *arg, unsigned ready)
{
	struct peer *p = arg;
	uint8_t piece[4096];
	size_t got = 0;
	enum err rc = stream_read(p->stream, piece, sizeof(piece), &got);

	(void)ready;
	if (rc == ERR_OK)
		buf_put(&p->heard, piece, got);
	else if (rc != ERR_AGAIN)
		peer_end(p);
	if (rc != ERR_OK || p->heard.n < 4 ||
		memcmp(buf_span(&p->heard).p + p->heard.n - 4, "\r\n\r\n", 4) != 0)
		return;
	peer_say(p);
	if (p->answered == p->f->closes_after)
		peer_end(p);
}

static void on_accept(void *arg, int fd, const struct addr *addr)
{
	struct fixture *f = arg;
	struct stream *stream;
	struct tls_options o = { .context = f->server_tls,
		.loop = f->loop,
		.is_server = true };
	struct peer *p = &f->peers[f->accepted];

	assert_true(f->accepted < PEERS_MAX);
	f->accepted++;
	assert_int_equal(socket_open_take(f->loop, fd, &stream), ERR_OK);
	o.below = stream;
	if (f->is_secure)
		assert_int_equal(tls_open(&o, &stream, NULL), ERR_OK);
	if (!f->is_scripted) {
		http_server_serve_take(f->server, stream, addr);
		return;
	}
	p->f = f;
	p->stream = stream;
	buf_init(&p->heard, 1 << 16);
	stream_set_owner(stream, peer_on_ready, p);
	stream_want(stream, LOOP_READ);
}

static void listen_here(struct fixture *f)
{
	struct addr at;

	assert_int_equal(listener_open(f->loop, "127.0.0.1", f->options.port, on_accept,
				 f, &f->listener, NULL),
		ERR_OK);
	listener_addr(f->listener, &at);
	f->options.port = addr_port(&at);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);
	struct http_server_options server = { .on_request = on_request, .arg = f };

	assert_int_equal(loop_new(&f->loop), ERR_OK);
	pool_init(&f->pool, 65536, 8);
	server.loop = f->loop;
	server.pool = &f->pool;
	assert_int_equal(http_server_new(&server, &f->server), ERR_OK);
	f->options = (struct http_client_options){ .loop = f->loop,
		.host = "127.0.0.1",
		.server_name = "here",
		.host_header = "here:1" };
	listen_here(f);
	f->script[0] = OK "Content-Length: 2\r\n\r\nhi";
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	http_client_free(f->client);
	listener_close(f->listener);
	http_server_free(f->server);
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		stream_close(f->peers[i].stream);
		buf_fini(&f->peers[i].heard);
	}
	tls_context_free(f->server_tls);
	tls_context_free(f->client_tls);
	free(f->asked);
	pool_fini(&f->pool);
	loop_free(f->loop);
	free(f);
	return 0;
}

/* ---- the client ---- */

static void client_new(struct fixture *f)
{
	assert_int_equal(http_client_new(&f->options, &f->client), ERR_OK);
}

static void ask(struct fixture *f, unsigned i, struct http_client_request q);

static void on_answer(void *arg, enum err rc, const struct http_response *a,
	const struct why *why)
{
	struct end *e = arg;

	e->calls++;
	e->rc = rc;
	e->ask = NULL;
	if (rc == ERR_OK) {
		assert_non_null(a->stream);
		e->status = a->status;
		e->is_reused = a->is_reused;
		snprintf(e->body, sizeof(e->body), "%.*s", (int)a->body.n,
			(const char *)a->body.p);
	} else {
		assert_null(a);
		snprintf(e->words, sizeof(e->words), "%s", err_text(rc, why));
	}
	if (e->frees_client) {
		http_client_free(e->f->client);
		e->f->client = NULL;
	}
	if (e->asks_again) {
		e->asks_again = false;
		ask(e->f, (unsigned)(e - e->f->ends), (struct http_client_request){ 0 });
	}
}

static void ask(struct fixture *f, unsigned i, struct http_client_request q)
{
	struct end *e = &f->ends[i];

	e->f = f;
	q.method = q.method != NULL ? q.method : "GET";
	q.target = q.target != NULL ? q.target : "/";
	q.fn = on_answer;
	q.arg = e;
	assert_int_equal(http_client_send(f->client, &q, &e->ask), ERR_OK);
}

static void turn(struct fixture *f)
{
	struct timespec ms = { .tv_nsec = 200000 };

	loop_turn(f->loop);
	nanosleep(&ms, NULL);
}

static void turns(struct fixture *f, int n)
{
	while (n-- > 0)
		turn(f);
}

static void wait_for(struct fixture *f, unsigned i, unsigned calls)
{
	for (int n = 0; n < 30000 && f->ends[i].calls < calls; n++)
		turn(f);
	assert_int_equal(f->ends[i].calls, calls);
}

static void check(struct fixture *f, unsigned i, unsigned calls, const char *body)
{
	wait_for(f, i, calls);
	if (f->ends[i].rc != ERR_OK)
		fail_msg("%s", f->ends[i].words);
	assert_int_equal(f->ends[i].status, 200);
	assert_string_equal(f->ends[i].body, body);
}

static void check_fails(struct fixture *f, unsigned i, enum err rc)
{
	wait_for(f, i, 1);
	assert_int_equal(f->ends[i].rc, rc);
	assert_true(f->ends[i].words[0] != '\0');
}

/* ---- with our own server ---- */

static void test_requests_share_one_connection(void **state)
{
	struct fixture *f = *state;

	client_new(f);
	ask(f, 0, (struct http_client_request){ .target = "/a" });
	assert_int_equal(f->ends[0].calls, 0);
	check(f, 0, 1, "/a");
	assert_false(f->ends[0].is_reused);
	ask(f, 0,
		(struct http_client_request){ .target = "/b?c",
			.method = "POST",
			.body = span_str("some") });
	check(f, 0, 2, "/b");
	assert_true(f->ends[0].is_reused);
	ask(f, 0, (struct http_client_request){ .method = "HEAD" });
	check(f, 0, 3, "");
	ask(f, 0, (struct http_client_request){ .target = "/d" });
	check(f, 0, 4, "/d");
	assert_int_equal(f->accepted, 1);
}

static void test_requests_share_one_tls_connection(void **state)
{
	struct fixture *f = *state;

	test_contexts_make(&f->server_tls, &f->client_tls);
	f->is_secure = true;
	f->options.tls = f->client_tls;
	client_new(f);
	ask(f, 0, (struct http_client_request){ .target = "/a" });
	check(f, 0, 1, "/a");
	ask(f, 0, (struct http_client_request){ .target = "/b" });
	check(f, 0, 2, "/b");
	assert_int_equal(f->accepted, 1);
	http_client_set_tls(f->client, f->client_tls);
	ask(f, 0, (struct http_client_request){ .target = "/c" });
	check(f, 0, 3, "/c");
	assert_int_equal(f->accepted, 2); /* the old one was of another context */
}

static void test_requests_beyond_the_bound_wait_in_order(void **state)
{
	struct fixture *f = *state;

	f->options.connections_max = 2;
	client_new(f);
	ask(f, 0, (struct http_client_request){ .target = "/hold" });
	ask(f, 1, (struct http_client_request){ .target = "/hold" });
	ask(f, 2, (struct http_client_request){ .target = "/c" });
	ask(f, 3, (struct http_client_request){ .target = "/hold" });
	for (int i = 0; i < 30000 && f->held_n < 2; i++)
		turn(f);
	turns(f, 20);
	assert_int_equal(f->accepted, 2);
	assert_int_equal(f->ends[2].calls, 0);
	http_reply(f->held[1], 200, NULL, span_str("1"));
	check(f, 2, 1, "/c");
	for (int i = 0; i < 30000 && f->held_n < 3; i++)
		turn(f);
	http_reply(f->held[0], 200, NULL, span_str("0"));
	http_reply(f->held[2], 200, NULL, span_str("2"));
	wait_for(f, 0, 1);
	wait_for(f, 3, 1);
	assert_int_equal(f->accepted, 2);
}

static void test_requests_time_out(void **state)
{
	struct fixture *f = *state;

	f->options.connections_max = 1;
	client_new(f);
	ask(f, 0, (struct http_client_request){ .target = "/hold", .timeout_ms = 60 });
	ask(f, 1, (struct http_client_request){ .target = "/hold", .timeout_ms = 30 });
	check_fails(f, 1, ERR_TIMEOUT); /* in the queue */
	check_fails(f, 0, ERR_TIMEOUT);
	ask(f, 2, (struct http_client_request){ .target = "/c" });
	check(f, 2, 1, "/c");
	assert_int_equal(f->accepted, 2);
}

static void test_a_transfer_may_be_closed_at_any_time(void **state)
{
	struct fixture *f = *state;

	f->options.connections_max = 1;
	client_new(f);
	for (int n = 0; n < 12; n++) {
		ask(f, 0, (struct http_client_request){ .target = "/a" });
		ask(f, 1, (struct http_client_request){ .target = "/b" });
		for (int i = 0; i < n && f->ends[0].ask != NULL; i++)
			loop_turn(f->loop);
		http_transfer_close(f->ends[0].ask);
		f->ends[0].ask = NULL;
		wait_for(f, 1, (unsigned)n + 1);
		assert_string_equal(f->ends[1].body, "/b");
	}
}

static void test_a_client_may_be_freed_at_any_time(void **state)
{
	struct fixture *f = *state;

	f->options.connections_max = 1;
	for (int n = 0; n < 12; n++) {
		client_new(f);
		ask(f, 0, (struct http_client_request){ .target = "/a" });
		ask(f, 1, (struct http_client_request){ .target = "/b" });
		for (int i = 0; i < n; i++)
			loop_turn(f->loop);
		http_client_free(f->client);
		f->client = NULL;
		turns(f, 3);
	}
	f->ends[0].frees_client = true; /* also where it hears of an answer */
	f->ends[0].calls = 0;
	client_new(f);
	ask(f, 0, (struct http_client_request){ .target = "/a" });
	ask(f, 1, (struct http_client_request){ .target = "/a" });
	wait_for(f, 0, 1);
	assert_null(f->client);
}

static void test_warm_connections_are_open_before_the_request(void **state)
{
	struct fixture *f = *state;

	f->options.idle_ms = 20;
	client_new(f);
	http_client_warm(f->client, 2);
	for (int i = 0; i < 30000 && f->accepted < 2; i++)
		turn(f);
	turns(f, 300); /* they do not grow old */
	ask(f, 0, (struct http_client_request){ .target = "/a" });
	check(f, 0, 1, "/a");
	assert_int_equal(f->accepted, 2);
}

static void test_a_warm_connection_that_ends_is_replaced(void **state)
{
	struct fixture *f = *state;

	f->is_scripted = true;
	client_new(f);
	http_client_warm(f->client, 1);
	for (int i = 0; i < 30000 && f->peers[0].stream == NULL; i++)
		turn(f);
	turns(f, 5);
	peer_end(&f->peers[0]);
	for (int i = 0; i < 30000 && f->accepted < 2; i++)
		turn(f);
	assert_int_equal(f->accepted, 2);
}

static void test_idle_connections_are_closed_in_time(void **state)
{
	struct fixture *f = *state;

	f->is_scripted = true;
	f->options.idle_ms = 10;
	client_new(f);
	ask(f, 0, (struct http_client_request){ .target = "/a" });
	check(f, 0, 1, "hi");
	for (int i = 0; i < 30000 && f->peers[0].stream != NULL; i++)
		turn(f);
	assert_null(f->peers[0].stream);
}

/* ---- with others ---- */

static void test_the_request_has_the_given_head(void **state)
{
	struct fixture *f = *state;

	f->is_scripted = true;
	client_new(f);
	f->script[0] = "";
	ask(f, 0,
		(struct http_client_request){ .target = "/x?y",
			.headers = "A: b\r\n",
			.timeout_ms = 50 });
	for (int i = 0; i < 30000 && f->peers[0].answered == 0; i++)
		turn(f);
	check_fails(f, 0, ERR_TIMEOUT);
	assert_string_equal(f->asked,
		"GET /x?y HTTP/1.1\r\nHost: here:1\r\nUser-Agent: adit/" ADIT_VERSION
		"\r\nA: b\r\n\r\n");
}

static void test_a_request_that_crosses_with_the_close_is_retried(void **state)
{
	struct fixture *f = *state;

	f->is_scripted = true;
	client_new(f);
	ask(f, 0, (struct http_client_request){ 0 });
	check(f, 0, 1, "hi");
	ask(f, 1, (struct http_client_request){ 0 });
	loop_turn(f->loop);
	peer_end(&f->peers[0]); /* the question is on its way */
	check(f, 1, 1, "hi");
	assert_int_equal(f->accepted, 2);
}

static void test_a_request_is_retried_once(void **state)
{
	struct fixture *f = *state;

	f->is_scripted = true;
	client_new(f);
	ask(f, 0, (struct http_client_request){ 0 });
	check(f, 0, 1, "hi");
	f->script[1] = "";
	f->closes_after = 1;
	ask(f, 1, (struct http_client_request){ 0 });
	loop_turn(f->loop);
	peer_end(&f->peers[0]);
	check_fails(f, 1, ERR_RESET);
	assert_int_equal(f->accepted, 2);
}

static void test_a_new_connection_that_ends_causes_no_retry(void **state)
{
	struct fixture *f = *state;

	f->is_scripted = true;
	f->closes_after = 1;
	f->script[0] = "";
	client_new(f);
	ask(f, 0, (struct http_client_request){ 0 });
	check_fails(f, 0, ERR_RESET);
	assert_int_equal(f->accepted, 1);
}

static void test_all_waiting_requests_fail_if_connecting_fails(void **state)
{
	struct fixture *f = *state;

	listener_close(f->listener);
	f->listener = NULL;
	client_new(f);
	f->ends[0].asks_again = true;
	ask(f, 0, (struct http_client_request){ 0 });
	ask(f, 1, (struct http_client_request){ 0 });
	wait_for(f, 0, 2);
	check_fails(f, 1, ERR_SYS);
	listen_here(f);
	ask(f, 2, (struct http_client_request){ .target = "/c" });
	check(f, 2, 1, "/c");
	f->ends[3].frees_client = true;
	listener_close(f->listener);
	f->listener = NULL;
	http_client_free(f->client);
	client_new(f);
	ask(f, 3, (struct http_client_request){ 0 });
	ask(f, 4, (struct http_client_request){ 0 });
	wait_for(f, 3, 1);
	turns(f, 3);
	assert_int_equal(f->ends[4].calls, 0);
}

/* One answer, whole and byte by byte is the reader's own test;
 * here is what follows from it. */
static void test_hostile_answers_are_refused(void **state)
{
	static const struct {
		const char *text;
		enum err rc;
		bool closes;
	} rows[] = {
		{ OK "Content-Length: 3\r\n\r\nhi", ERR_SYNTAX, true },
		{ OK "Content-Length: 99\r\n\r\n", ERR_LIMIT, false },
		{ OK "Transfer-Encoding: chunked\r\n\r\n8\r\n12345678\r\n8\r\n123",
			ERR_LIMIT, false },
		{ OK "Transfer-Encoding: chunked\r\n\r\nz\r\n", ERR_SYNTAX, false },
		{ OK "Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\nhi",
			ERR_SYNTAX, false },
		{ OK "Transfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n"
		     "2\r\nhi\r\n0\r\n\r\n",
			ERR_OK, false },
		{ "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", ERR_OK, false },
		{ "SSH-2.0-x\r\n\r\n", ERR_SYNTAX, false },
		{ "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
		  "Upgrade: x\r\n\r\n",
			ERR_PROTO, false },
		{ "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 103 Early\r\n\r\n"
		  "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 103 Early\r\n\r\n"
		  "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 103 Early\r\n\r\n"
		  "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 103 Early\r\n\r\n"
		  "HTTP/1.1 103 Early\r\n\r\nHTTP/1.1 103 Early\r\n\r\n",
			ERR_PROTO, false },
		{ "HTTP/1.1 100 Continue\r\n\r\n" OK "Content-Length: 2\r\n\r\nhi",
			ERR_OK, false },
		{ OK "Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n1\r\ni\r\n0\r\n\r\n",
			ERR_OK, false },
		{ OK "\r\nhi", ERR_OK, true },
		{ OK "Content-Length: 2\r\n\r\nhi and more", ERR_OK, false },
	};

	for (size_t i = 0; i < mem_count(rows); i++) {
		struct fixture *f = *state;

		f->is_scripted = true;
		f->script[0] = rows[i].text;
		f->closes_after = rows[i].closes ? 1 : 0;
		client_new(f);
		ask(f, 0, (struct http_client_request){ .response_max = 10 });
		wait_for(f, 0, 1);
		if (f->ends[0].rc != rows[i].rc)
			fail_msg("row %zu: %s", i, err_name(f->ends[0].rc));
		if (rows[i].rc == ERR_OK)
			assert_string_equal(f->ends[0].body, "hi");
		teardown(state);
		setup(state);
	}
}

static void test_bytes_behind_an_answer_end_the_connection(void **state)
{
	struct fixture *f = *state;

	f->is_scripted = true;
	f->script[0] = OK "Content-Length: 2\r\n\r\nhi" OK
			  "Content-Length: 4\r\n\r\nevil";
	f->script[1] = OK "Content-Length: 4\r\n\r\ngood";
	client_new(f);
	ask(f, 0, (struct http_client_request){ 0 });
	check(f, 0, 1, "hi");
	ask(f, 1, (struct http_client_request){ 0 });
	check(f, 1, 1, "good");
}

#define client_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		client_test(test_requests_share_one_connection),
		client_test(test_requests_share_one_tls_connection),
		client_test(test_requests_beyond_the_bound_wait_in_order),
		client_test(test_requests_time_out),
		client_test(test_a_transfer_may_be_closed_at_any_time),
		client_test(test_a_client_may_be_freed_at_any_time),
		client_test(test_warm_connections_are_open_before_the_request),
		client_test(test_a_warm_connection_that_ends_is_replaced),
		client_test(test_idle_connections_are_closed_in_time),
		client_test(test_the_request_has_the_given_head),
		client_test(test_a_request_that_crosses_with_the_close_is_retried),
		client_test(test_a_request_is_retried_once),
		client_test(test_a_new_connection_that_ends_causes_no_retry),
		client_test(test_all_waiting_requests_fail_if_connecting_fails),
		client_test(test_hostile_answers_are_refused),
		client_test(test_bytes_behind_an_answer_end_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
