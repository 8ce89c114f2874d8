/* Connections to an upstream that are used again, over a Unix socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "http/proxy.h"
#include "net/fake_test.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define POST "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nab"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
#define LAST_ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"

#define PEERS_MAX 8

struct fixture {
	struct loop *loop;
	struct pool pool;
	struct http_server *server;
	struct idle_pool *idle;
	struct fake client;
	struct addr addr;
	struct http_upstream how;

	char path[64];
	int listener, peers[PEERS_MAX];
	unsigned accepted;
	const char *says;
	/* without an answer, when something is asked on a kept connection */
	bool closes_used;
	unsigned answered[PEERS_MAX];
};

static void on_request(void *arg, struct http_exchange *x)
{
	struct fixture *f = arg;

	http_proxy_pass(x, &f->how);
}

static void listen_here(struct fixture *f)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	snprintf(f->path, sizeof(f->path), "/tmp/adit-idle-%d", getpid());
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", f->path);
	unlink(f->path);
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(f->listener, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(f->listener, 8), 0);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);
	struct http_server_options o = { .on_request = on_request, .arg = f };

	assert_int_equal(loop_new(&f->loop), ERR_OK);
	pool_init(&f->pool, 65536, 8);
	o.loop = f->loop;
	o.pool = &f->pool;
	assert_int_equal(http_server_new(&o, &f->server), ERR_OK);
	assert_int_equal(idle_pool_new(f->loop, 1, 10000, &f->idle), ERR_OK);
	assert_int_equal(addr_from_literal("192.0.2.7", 7, &f->addr), ERR_OK);
	listen_here(f);
	f->how = (struct http_upstream){ .unix_path = f->path, .idle = f->idle };
	f->says = ANSWER;
	fake_init(&f->client, f->loop, 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	http_server_free(f->server);
	idle_pool_free(f->idle);
	fake_fini(&f->client);
	for (unsigned i = 0; i < f->accepted; i++)
		close(f->peers[i]);
	close(f->listener);
	unlink(f->path);
	pool_fini(&f->pool);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void peer_drop(struct fixture *f, unsigned i)
{
	close(f->peers[i]);
	f->peers[i] = -1;
}

static void peer_turn(struct fixture *f, unsigned i)
{
	char heard[4096];
	ssize_t n = f->peers[i] >= 0 ? recv(f->peers[i], heard, sizeof(heard), 0) : -1;

	if (n < 0)
		return;
	if (n == 0 || (f->closes_used && f->answered[i] > 0)) {
		peer_drop(f, i);
		return;
	}
	assert_true(send(f->peers[i], f->says, strlen(f->says), MSG_NOSIGNAL) > 0);
	f->answered[i]++;
}

static void turn(struct fixture *f)
{
	struct timespec us = { .tv_nsec = 50000 };
	int fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK);

	if (fd >= 0)
		f->peers[f->accepted++] = fd;
	for (unsigned i = 0; i < f->accepted; i++)
		peer_turn(f, i);
	loop_turn(f->loop);
	nanosleep(&us, NULL);
}

/* One client's connection with one request. */
static void ask(struct fixture *f, const char *request, const char *answer)
{
	fake_fini(&f->client);
	fake_init(&f->client, f->loop, 0);
	f->client.in = span_str(request);
	f->client.in_end = ERR_AGAIN;
	http_server_serve_take(f->server, &f->client.stream, &f->addr);
	for (int i = 0; i < 20000 && f->client.out_n < strlen(answer); i++)
		turn(f);
	for (int i = 0; i < 10; i++)
		turn(f);
	if (!span_is(span_of(f->client.out, f->client.out_n), answer))
		fail_msg("%.*s", (int)f->client.out_n, (const char *)f->client.out);
	f->client.in_end = ERR_EOF;
	stream_want(&f->client.stream, LOOP_READ);
	for (int i = 0; i < 100 && !f->client.is_closed; i++)
		turn(f);
	assert_true(f->client.is_closed);
}

static void test_a_connection_is_used_again(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 5; i++)
		ask(f, GET, ANSWER);
	assert_int_equal(f->accepted, 1);
}

static void test_requests_that_cannot_be_repeated_get_a_new_connection(void **state)
{
	struct fixture *f = *state;

	ask(f, GET, ANSWER);
	ask(f, POST, ANSWER);
	assert_int_equal(f->accepted, 2);
	ask(f, GET, ANSWER); /* on what the POST has left */
	assert_int_equal(f->accepted, 2);
}

static void test_a_request_on_a_used_connection_that_ends_is_retried(void **state)
{
	struct fixture *f = *state;

	ask(f, GET, ANSWER);
	f->closes_used = true;
	ask(f, GET, ANSWER);
	assert_int_equal(f->accepted, 2);
	assert_int_equal(f->answered[1], 1);
}

static void test_an_idle_connection_that_ends_is_removed(void **state)
{
	struct fixture *f = *state;

	ask(f, GET, ANSWER);
	peer_drop(f, 0);
	for (int i = 0; i < 20; i++)
		turn(f);
	assert_null(idle_pool_take(f->idle, NULL));
	ask(f, GET, ANSWER);
	assert_int_equal(f->accepted, 2);
}

static void test_an_upstream_may_refuse_keep_alive(void **state)
{
	struct fixture *f = *state;

	f->says = LAST_ANSWER;
	ask(f, GET, ANSWER);
	ask(f, GET, ANSWER);
	assert_int_equal(f->accepted, 2);
	f->says = ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil";
	ask(f, GET, ANSWER);
	f->says = ANSWER;
	ask(f, GET, ANSWER);
	assert_int_equal(f->accepted, 4);
}

static void test_the_oldest_connection_goes_at_the_limit(void **state)
{
	struct fixture *f = *state;
	struct fake a, b;
	struct stream *kept;
	bool is_used = true;

	fake_init(&a, f->loop, 0);
	fake_init(&b, f->loop, 0);
	a.in_end = b.in_end = ERR_AGAIN;
	assert_true(idle_pool_put(f->idle, &a.stream, true));
	assert_true(idle_pool_put(f->idle, &b.stream, false));
	assert_true(a.is_closed);
	kept = idle_pool_take(f->idle, &is_used);
	assert_ptr_equal(kept, &b.stream);
	assert_false(is_used);
	assert_null(idle_pool_take(f->idle, NULL));
	stream_close(kept);
	fake_fini(&a);
	fake_fini(&b);
}

#define IDLE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		IDLE_TEST(test_a_connection_is_used_again),
		IDLE_TEST(test_requests_that_cannot_be_repeated_get_a_new_connection),
		IDLE_TEST(test_a_request_on_a_used_connection_that_ends_is_retried),
		IDLE_TEST(test_an_idle_connection_that_ends_is_removed),
		IDLE_TEST(test_an_upstream_may_refuse_keep_alive),
		IDLE_TEST(test_the_oldest_connection_goes_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
