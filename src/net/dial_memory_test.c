/* Behaviour of dials that remember.
 * "localhost" has two addresses, and we are both of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/connector.h"
#include "net/dialer.h"

struct fixture {
	struct loop *loop;
	struct dial_memory *memory;
	uint16_t port;
	int ip4, ip6; /* listeners; -1: there is none */
	enum err rc;
	int fd, errnum;
};

static int listen_at(const char *host, uint16_t port)
{
	struct addr at;
	int on = 1, fd;

	assert_int_equal(addr_from_literal(host, port, &at), ERR_OK);
	fd = socket(at.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &at.sa, at.n) == 0 && listen(fd, 16) == 0)
		return fd;
	close(fd);
	return -1;
}

static void stop_listening(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* At first only 127.0.0.1 answers, which is the second to be tried. */
static int setup(void **state)
{
	struct fixture *f = mem_new(f);
	struct addr at;

	assert_int_equal(loop_new(&f->loop), ERR_OK);
	f->memory = dial_memory_new();
	f->ip4 = listen_at("127.0.0.1", 0);
	assert_true(f->ip4 >= 0 && addr_of_local(f->ip4, &at));
	f->port = addr_port(&at);
	f->ip6 = -1;
	f->fd = -1;
	clock_freeze(1000);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	stop_listening(&f->ip4);
	stop_listening(&f->ip6);
	dial_memory_unref(f->memory);
	loop_free(f->loop);
	free(f);
	return 0;
}

static void on_dialled(void *arg, enum err rc, int fd, int errnum, const struct why *why)
{
	struct fixture *f = arg;

	(void)why;
	f->rc = rc;
	f->fd = fd;
	f->errnum = errnum;
	loop_stop(f->loop);
}

/* Returns the family of the address that answered; 0: none did. */
static int dial(struct fixture *f)
{
	struct dial_options o = { .loop = f->loop,
		.host = "localhost",
		.port = f->port,
		.memory = f->memory,
		.fn = on_dialled,
		.arg = f };
	struct addr peer = { .n = 0 };
	struct dial *d;

	assert_int_equal(dial_open(&o, &d), ERR_OK);
	loop_run(f->loop);
	if (f->rc != ERR_OK)
		return 0;
	assert_true(addr_of_peer(f->fd, &peer));
	close(f->fd);
	return peer.sa.sa_family;
}

/* Skips where there is no IPv6. */
static void listen_at_both(struct fixture *f)
{
	assert_int_equal(dial(f), AF_INET);
	f->ip6 = listen_at("::1", f->port);
	if (f->ip6 < 0)
		skip();
}

static void test_the_address_that_answered_last_is_tried_first(void **state)
{
	struct fixture *f = *state;

	listen_at_both(f);
	assert_int_equal(dial(f), AF_INET);
	dial_memory_forget(f->memory);
	assert_int_equal(dial(f), AF_INET6);
	assert_int_equal(dial(f), AF_INET6);
}

static void test_the_name_is_requested_again_after_a_pause(void **state)
{
	struct fixture *f = *state;

	listen_at_both(f);
	clock_advance(DIAL_MEMORY_MS - 1);
	assert_int_equal(dial(f), AF_INET);
	clock_advance(1);
	assert_int_equal(dial(f), AF_INET6);
}

static void test_a_moved_host_is_found(void **state)
{
	struct fixture *f = *state;

	listen_at_both(f);
	stop_listening(&f->ip4);
	assert_int_equal(dial(f), AF_INET6);
	assert_int_equal(dial(f), AF_INET6);
	stop_listening(&f->ip6);
	assert_int_equal(dial(f), 0);
	assert_int_equal(f->errnum, ECONNREFUSED);
	f->ip4 = listen_at("127.0.0.1", f->port);
	assert_int_equal(dial(f), AF_INET);
}

static void on_reached(void *arg, enum err rc, struct stream *stream,
	const struct why *why)
{
	struct fixture *f = arg;

	(void)why;
	f->rc = rc;
	stream_close(stream);
	loop_stop(f->loop);
}

/* A server that answers without TLS is not remembered. */
static void test_a_failed_attempt_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct tls_client_options client = { .skip_verify = true };
	struct connector_options o = { .loop = f->loop,
		.host = "localhost",
		.port = f->port,
		.memory = f->memory,
		.timeout_ms = 20,
		.fn = on_reached,
		.arg = f };
	struct connector *r;
	struct addr at;

	assert_int_equal(dial(f), AF_INET);
	assert_true(dial_memory_get(f->memory, &at));
	assert_int_equal(tls_context_new_client(&client, &o.tls, NULL), ERR_OK);
	assert_int_equal(connector_open(&o, &r), ERR_OK);
	tls_context_free(o.tls);
	loop_run(f->loop);
	assert_int_equal(f->rc, ERR_TIMEOUT);
	assert_false(dial_memory_get(f->memory, &at));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_address_that_answered_last_is_tried_first),
		TEST(test_the_name_is_requested_again_after_a_pause),
		TEST(test_a_moved_host_is_found),
		TEST(test_a_failed_attempt_is_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
