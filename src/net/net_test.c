/* Behaviour of addresses, the resolver, the dialer, listeners and sockets, on
 * loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "net/dialer.h"
#include "net/listener.h"
#include "net/socket.h"

struct fixture {
	struct loop *loop;
	enum err rc;
	struct why why;
	int fd, errnum;
	unsigned calls, count, accepted_max;
	struct addr addrs[RESOLVER_ADDRS_MAX];
	struct listener *listener;
	int accepted[8];
};

static int setup(void **state)
{
	struct fixture *x = mem_new(x);

	assert_int_equal(loop_new(&x->loop), ERR_OK);
	x->fd = -1;
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	listener_close(x->listener);
	for (unsigned i = 0; i < x->count && i < mem_count(x->accepted); i++)
		if (x->accepted[i] > 0)
			close(x->accepted[i]);
	if (x->fd >= 0)
		close(x->fd);
	loop_free(x->loop);
	free(x);
	return 0;
}

/* ---- addresses ---- */

static void test_an_address_prints_as_it_was_written(void **state)
{
	static const struct {
		const char *host, *text, *ip;
	} cases[] = {
		{ "127.0.0.1", "127.0.0.1:80", "127.0.0.1" },
		{ "::1", "[::1]:80", "::1" },
		{ "[2001:db8::7]", "[2001:db8::7]:80", "2001:db8::7" },
		{ "::ffff:10.1.2.3", "10.1.2.3:80", "10.1.2.3" },
		{ "fe80::1%lo", "[fe80::1%lo]:80", "fe80::1%lo" },
		{ "0.0.0.0", "0.0.0.0:80", "0.0.0.0" },
	};
	char text[ADDR_TEXT_MAX];
	struct addr a;

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		assert_int_equal(addr_from_literal(cases[i].host, 80, &a), ERR_OK);
		assert_string_equal(addr_print(&a, text), cases[i].text);
		assert_string_equal(addr_print_ip(&a, text), cases[i].ip);
		assert_int_equal(addr_port(&a), 80);
	}
}

static void test_a_name_is_no_literal(void **state)
{
	static const char *const names[] = {
		"", "localhost", "1.2.3", "1.2.3.4.5", "[]", "[::1", "[127.0.0.1]",
		"::1]", "fe80::1%", "fe80::1%no-such-interface",
		"0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"
	};
	struct addr a;

	(void)state;
	for (size_t i = 0; i < mem_count(names); i++)
		assert_int_equal(addr_from_literal(names[i], 1, &a), ERR_SYNTAX);
}

static void test_host_and_port_are_split_at_the_last_colon(void **state)
{
	static const struct {
		const char *text;
		enum err rc;
		const char *host, *port;
	} cases[] = {
		{ "example.com:80", ERR_OK, "example.com", "80" },
		{ ":80", ERR_OK, "", "80" },
		{ "[::1]:80", ERR_OK, "::1", "80" },
		{ "[]:80", ERR_OK, "", "80" },
		{ "host:", ERR_SYNTAX, NULL, NULL },
		{ "host", ERR_SYNTAX, NULL, NULL },
		{ "", ERR_SYNTAX, NULL, NULL },
		{ "::1:80", ERR_SYNTAX, NULL, NULL },
		{ "[::1:80", ERR_SYNTAX, NULL, NULL },
		{ "[:80", ERR_SYNTAX, NULL, NULL },
	};
	struct span host, port;

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		assert_int_equal(addr_split(span_str(cases[i].text), &host, &port),
			cases[i].rc);
		if (cases[i].rc != ERR_OK)
			continue;
		assert_true(span_is(host, cases[i].host));
		assert_true(span_is(port, cases[i].port));
	}
}

static void test_a_port_alone_is_a_place_on_the_loopback_address(void **state)
{
	static const struct {
		const char *text, *host; /* NULL: not accepted */
		uint16_t port;
	} cases[] = {
		{ "9100", "127.0.0.1", 9100 },
		{ ":9100", "127.0.0.1", 9100 },
		{ "[::]:0", "::", 0 },
		{ "localhost:65535", "localhost", 65535 },
		{ "", NULL, 0 },
		{ ":", NULL, 0 },
		{ "host", NULL, 0 },
		{ "host:http", NULL, 0 },
		{ ":65536", NULL, 0 },
		{ "::1:80", NULL, 0 },
		{ "+1", NULL, 0 },
	};
	struct addr_listen at;
	char text[300];

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		enum err rc = addr_parse_listen(cases[i].text, &at);

		assert_int_equal(rc, cases[i].host != NULL ? ERR_OK : ERR_SYNTAX);
		if (rc != ERR_OK)
			continue;
		assert_string_equal(at.host, cases[i].host);
		assert_int_equal(at.port, cases[i].port);
	}
	snprintf(text, sizeof(text), "%0256d:1", 0);
	assert_int_equal(addr_parse_listen(text, &at), ERR_SYNTAX);
	assert_int_equal(addr_parse_listen(text + 1, &at), ERR_OK);
}

static void test_loopback_is_known(void **state)
{
	static const struct {
		const char *host;
		bool is_loopback;
	} cases[] = { { "127.3.2.1", true }, { "::1", true },
		{ "::ffff:127.0.0.1", true }, { "10.0.0.1", false }, { "::", false },
		{ "::ffff:10.0.0.1", false } };
	struct addr a, b;

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		assert_int_equal(addr_from_literal(cases[i].host, 9, &a), ERR_OK);
		assert_int_equal(addr_is_loopback(&a), cases[i].is_loopback);
		b = a;
		assert_true(addr_eq(&a, &b));
		addr_set_port(&b, 10);
		assert_false(addr_eq(&a, &b));
	}
}

static void test_an_address_of_this_machine_is_known(void **state)
{
	static const struct {
		const char *host;
		bool is_here;
	} cases[] = { { "127.0.0.1", true }, { "0.0.0.0", true }, { "192.0.2.77", false },
		{ "198.51.100.1", false } };
	struct addr a;

	(void)state;
	for (size_t i = 0; i < mem_count(cases); i++) {
		assert_int_equal(addr_from_literal(cases[i].host, 9, &a), ERR_OK);
		assert_int_equal(addr_is_here(&a), cases[i].is_here);
	}
}

/* ---- resolver ---- */

static void on_resolved(void *arg, enum err rc, const struct addr *addrs, unsigned count,
	const struct why *why)
{
	struct fixture *x = arg;

	x->calls++;
	x->rc = rc;
	x->why = *why;
	x->count = count;
	for (unsigned i = 0; i < count; i++)
		x->addrs[i] = addrs[i];
	loop_stop(x->loop);
}

static void resolve(struct fixture *x, const char *host)
{
	struct resolve *r;

	x->calls = 0;
	assert_int_equal(resolve_open(x->loop, host, 443, on_resolved, x, &r), ERR_OK);
	assert_int_equal(x->calls, 0);
	loop_run(x->loop);
	assert_int_equal(x->calls, 1);
}

static void test_literals_and_localhost_need_no_asking(void **state)
{
	struct fixture *x = *state;
	char text[ADDR_TEXT_MAX];

	resolve(x, "[::1]");
	assert_int_equal(x->count, 1);
	assert_string_equal(addr_print(&x->addrs[0], text), "[::1]:443");
	resolve(x, "LocalHost");
	assert_int_equal(x->count, 2);
	assert_string_equal(addr_print(&x->addrs[0], text), "[::1]:443");
	assert_string_equal(addr_print(&x->addrs[1], text), "127.0.0.1:443");
	x->count = 0;
}

static void test_a_name_that_does_not_exist_is_reported(void **state)
{
	struct fixture *x = *state;

	resolve(x, "no-such-name.invalid");
	assert_int_not_equal(x->rc, ERR_OK);
	assert_int_equal(x->count, 0);
	assert_int_equal(strncmp(x->why.text, "lookup no-such-name.invalid: ", 29), 0);
	resolve(x, "a name\nthat cannot be");
	assert_int_not_equal(x->rc, ERR_OK);
	assert_null(strchr(x->why.text, '\n'));
}

static void test_a_cancelled_lookup_is_not_reported(void **state)
{
	struct fixture *x = *state;
	struct resolve *r;

	assert_int_equal(resolve_open(x->loop, "127.0.0.1", 1, on_resolved, x, &r),
		ERR_OK);
	resolve_close(r);
	assert_int_equal(resolve_open(x->loop, "given-up.invalid", 1, on_resolved, x, &r),
		ERR_OK);
	resolve_close(r);
	loop_turn(x->loop);
	assert_int_equal(x->calls, 0);
}

/* ---- listener and dialer ---- */

static void on_accept(void *arg, int fd, const struct addr *peer)
{
	struct fixture *x = arg;

	assert_true(addr_is_loopback(peer));
	assert_true((fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
	assert_true(x->count < mem_count(x->accepted));
	x->accepted[x->count++] = fd;
	if (x->count == x->accepted_max)
		loop_stop(x->loop);
}

static void on_dialed(void *arg, enum err rc, int fd, int errnum, const struct why *why)
{
	struct fixture *x = arg;

	x->calls++;
	x->rc = rc;
	x->fd = fd;
	x->errnum = errnum;
	x->why = *why;
	loop_stop(x->loop);
}

static uint16_t listen_on(struct fixture *x, const char *host)
{
	struct addr at;
	struct why why;

	assert_int_equal(listener_open(x->loop, host, 0, on_accept, x, &x->listener,
				 &why),
		ERR_OK);
	listener_addr(x->listener, &at);
	return addr_port(&at);
}

static void dial(struct fixture *x, const char *host, uint16_t port, uint32_t timeout_ms)
{
	struct dial *d;
	struct dial_options options = { .loop = x->loop,
		.host = host,
		.port = port,
		.timeout_ms = timeout_ms,
		.fn = on_dialed,
		.arg = x };

	x->calls = 0;
	assert_int_equal(dial_open(&options, &d), ERR_OK);
	assert_int_equal(x->calls, 0);
	loop_run(x->loop);
	assert_int_equal(x->calls, 1);
}

/* A port without a listener: it was in use by this test just now. */
static uint16_t free_port(struct fixture *x)
{
	uint16_t port = listen_on(x, "127.0.0.1");

	listener_close(x->listener);
	x->listener = NULL;
	return port;
}

static bool has_ipv6(void)
{
	struct addr at;
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool is_bound = fd >= 0 && addr_from_literal("::1", 0, &at) == ERR_OK &&
		bind(fd, &at.sa, at.n) == 0;

	if (fd >= 0)
		close(fd);
	return is_bound;
}

static void test_a_dial_reaches_a_listener(void **state)
{
	static const char *const listens[] = { "127.0.0.1", "", "localhost", "", "[::]",
		"::1" };
	static const char *const dials[] = { "127.0.0.1", "127.0.0.1", "localhost",
		"[::1]", "127.0.0.1", "localhost" };
	struct fixture *x = *state;
	size_t count = has_ipv6() ? mem_count(listens) : 3;

	for (size_t i = 0; i < count; i++) {
		x->count = 0;
		x->accepted_max = 1;
		dial(x, dials[i], listen_on(x, listens[i]), 0);
		assert_int_equal(x->rc, ERR_OK);
		close(x->fd);
		x->fd = -1;
		if (x->count == 0)
			loop_run(x->loop);
		assert_int_equal(x->count, 1);
		close(x->accepted[0]);
		x->count = 0;
		listener_close(x->listener);
		x->listener = NULL;
	}
}

static void test_a_refused_connection_is_reported(void **state)
{
	struct fixture *x = *state;
	uint16_t port = free_port(x);
	char text[64];

	dial(x, "127.0.0.1", port, 0);
	assert_int_equal(x->rc, ERR_SYS);
	assert_int_equal(x->fd, -1);
	assert_int_equal(x->errnum, ECONNREFUSED);
	snprintf(text, sizeof(text), "dial 127.0.0.1:%u: Connection refused", port);
	assert_string_equal(x->why.text, text);

	dial(x, "localhost", port, 0);
	assert_int_equal(x->errnum, ECONNREFUSED);
	dial(x, "nobody.invalid", port, 0);
	assert_int_not_equal(x->rc, ERR_OK);
	assert_int_equal(x->errnum, 0);
}

/* A listener whose queue is full answers nobody: as good as a black hole. */
static uint16_t open_black_hole(int fds[4])
{
	struct addr at = { .n = sizeof(at.any) };

	assert_int_equal(addr_from_literal("127.0.0.1", 0, &at), ERR_OK);
	fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fds[0], &at.sa, at.n), 0);
	assert_int_equal(listen(fds[0], 0), 0);
	assert_true(addr_of_local(fds[0], &at));
	for (int i = 1; i < 4; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)!connect(fds[i], &at.sa, at.n);
	}
	return addr_port(&at);
}

static void close_all(const int fds[4])
{
	for (int i = 0; i < 4; i++)
		close(fds[i]);
}

static void test_a_dial_without_an_answer_times_out(void **state)
{
	struct fixture *x = *state;
	int hole[4];

	dial(x, "127.0.0.1", open_black_hole(hole), 30);
	assert_int_equal(x->rc, ERR_TIMEOUT);
	assert_int_equal(x->errnum, ETIMEDOUT);
	close_all(hole);
}

static void test_a_closed_dial_is_not_reported(void **state)
{
	struct fixture *x = *state;
	struct dial *d;
	struct dial_options options = { .loop = x->loop,
		.host = "127.0.0.1",
		.fn = on_dialed,
		.arg = x };
	int hole[4];

	options.port = open_black_hole(hole);
	assert_int_equal(dial_open(&options, &d), ERR_OK);
	dial_close(d);
	assert_int_equal(dial_open(&options, &d), ERR_OK);
	loop_turn(x->loop);
	loop_turn(x->loop);
	dial_close(d);
	loop_turn(x->loop);
	assert_int_equal(x->calls, 0);
	close_all(hole);
}

static void test_a_port_has_one_listener(void **state)
{
	struct fixture *x = *state;
	struct listener *second;
	struct why why;
	char text[80];
	uint16_t port = listen_on(x, "127.0.0.1");

	assert_int_equal(listener_open(x->loop, "127.0.0.1", port, on_accept, x, &second,
				 &why),
		ERR_EXISTS);
	snprintf(text, sizeof(text),
		"cannot listen on 127.0.0.1:%u: Address already in use", port);
	assert_string_equal(why.text, text);
	assert_int_equal(listener_open(x->loop, "nobody.invalid", 0, on_accept, x,
				 &second, &why),
		ERR_NOENT);
	listener_close(x->listener);
	assert_int_equal(listener_open(x->loop, "127.0.0.1", port, on_accept, x,
				 &x->listener, &why),
		ERR_OK);
}

static int connect_to(uint16_t port)
{
	struct addr at;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(addr_from_literal("127.0.0.1", port, &at), ERR_OK);
	assert_int_equal(connect(fd, &at.sa, at.n), 0);
	return fd;
}

static void test_a_paused_listener_accepts_later(void **state)
{
	struct fixture *x = *state;
	uint16_t port = listen_on(x, "127.0.0.1");

	listener_pause(x->listener, true);
	x->fd = connect_to(port);
	loop_turn(x->loop);
	loop_turn(x->loop);
	assert_int_equal(x->count, 0);
	listener_pause(x->listener, false);
	x->accepted_max = 1;
	loop_run(x->loop);
	assert_int_equal(x->count, 1);
}

static void close_listener_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct fixture *x = arg;

	on_accept(arg, fd, peer);
	listener_close(x->listener);
	x->listener = NULL;
	loop_stop(x->loop);
}

static void test_a_listener_may_be_closed_while_it_accepts(void **state)
{
	struct fixture *x = *state;
	struct addr at;
	int first, second;

	assert_int_equal(listener_open(x->loop, "127.0.0.1", 0, close_listener_on_accept,
				 x, &x->listener, NULL),
		ERR_OK);
	listener_addr(x->listener, &at);
	first = connect_to(addr_port(&at));
	second = connect_to(addr_port(&at));
	loop_run(x->loop);
	assert_int_equal(x->count, 1);
	close(first);
	close(second);
}

static void test_a_listener_outlives_a_lack_of_descriptors(void **state)
{
	struct fixture *x = *state;
	uint16_t port = listen_on(x, "127.0.0.1");
	struct rlimit before, none;

	log_set_level(LOG_ERROR);
	x->fd = connect_to(port);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = (rlim_t)x->fd + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	loop_turn(x->loop);
	loop_turn(x->loop);
	loop_turn(x->loop);
	assert_int_equal(x->count, 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	x->accepted_max = 1;
	loop_run(x->loop); /* it rests for a second */
	assert_int_equal(x->count, 1);
	log_set_level(LOG_INFO);
}

static void test_a_udp_port_has_one_holder(void **state)
{
	struct addr at;
	struct why why;
	int fd, second;

	(void)state;
	assert_int_equal(listener_bind_udp("127.0.0.1", 0, &fd, &why), ERR_OK);
	assert_true(addr_of_local(fd, &at));
	assert_int_equal(listener_bind_udp("127.0.0.1", addr_port(&at), &second, &why),
		ERR_EXISTS);
	close(fd);
}

/* ---- sockets ---- */

static int option_of(int fd, int level, int name)
{
	int value = -1;
	socklen_t n = sizeof(value);

	assert_int_equal(getsockopt(fd, level, name, &value, &n), 0);
	return value;
}

static void test_what_is_accepted_and_dialed_is_tuned(void **state)
{
	struct fixture *x = *state;
	struct stream *s;

	x->accepted_max = 1;
	dial(x, "127.0.0.1", listen_on(x, "127.0.0.1"), 0);
	if (x->count == 0)
		loop_run(x->loop);
	assert_int_equal(socket_open_take(x->loop, x->fd, &s), ERR_OK);
	socket_tune_carrier(x->fd, 7000);
	assert_int_equal(option_of(x->fd, IPPROTO_TCP, TCP_USER_TIMEOUT), 7000);
	for (int i = 0; i < 2; i++) {
		int fd = i == 0 ? x->fd : x->accepted[0];

		assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 1);
		assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
		assert_int_equal(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE),
			i == 0 ? 4 : 15);
	}
	socket_tune_waiting(x->accepted[0]);
	assert_int_equal(option_of(x->accepted[0], IPPROTO_TCP, TCP_KEEPIDLE), 4);
	assert_int_equal(option_of(x->accepted[0], IPPROTO_TCP, TCP_KEEPCNT), 4);
	stream_close(s);
	x->fd = -1;
}

static void on_ready(void *arg, unsigned ready)
{
	struct fixture *x = arg;

	x->calls++;
	x->errnum = (int)ready;
}

static void test_a_socket_ends_each_way_by_itself(void **state)
{
	struct fixture *x = *state;
	struct stream *s;
	char text[8];
	size_t n = 0;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(socket_open_take(x->loop, ends[0], &s), ERR_OK);
	stream_set_owner(s, on_ready, x);
	assert_int_equal(stream_read(s, text, sizeof(text), &n), ERR_AGAIN);
	stream_want(s, LOOP_READ);
	assert_int_equal(write(ends[1], "abc", 3), 3);
	loop_turn(x->loop);
	assert_int_equal(x->errnum, LOOP_READ);
	assert_int_equal(stream_read(s, text, sizeof(text), &n), ERR_OK);
	assert_int_equal(n, 3);
	shutdown(ends[1], SHUT_WR);
	assert_int_equal(stream_read(s, text, sizeof(text), &n), ERR_EOF);
	assert_int_equal(stream_put(s, "xyz", 3, &n), ERR_OK);
	assert_int_equal(stream_finish(s), ERR_OK);
	assert_int_equal(stream_finish(s), ERR_OK);
	assert_int_equal(read(ends[1], text, 8), 3);
	assert_int_equal(read(ends[1], text, 8), 0);
	assert_int_equal(stream_put(s, "xyz", 3, &n), ERR_RESET);
	stream_close(s);
	close(ends[1]);
}

#define net_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_address_prints_as_it_was_written),
		cmocka_unit_test(test_a_name_is_no_literal),
		cmocka_unit_test(test_host_and_port_are_split_at_the_last_colon),
		cmocka_unit_test(test_a_port_alone_is_a_place_on_the_loopback_address),
		cmocka_unit_test(test_loopback_is_known),
		cmocka_unit_test(test_an_address_of_this_machine_is_known),
		net_test(test_literals_and_localhost_need_no_asking),
		net_test(test_a_name_that_does_not_exist_is_reported),
		net_test(test_a_cancelled_lookup_is_not_reported),
		net_test(test_a_dial_reaches_a_listener),
		net_test(test_a_refused_connection_is_reported),
		net_test(test_a_dial_without_an_answer_times_out),
		net_test(test_a_closed_dial_is_not_reported),
		net_test(test_a_port_has_one_listener),
		net_test(test_a_paused_listener_accepts_later),
		net_test(test_a_listener_may_be_closed_while_it_accepts),
		net_test(test_a_listener_outlives_a_lack_of_descriptors),
		cmocka_unit_test(test_a_udp_port_has_one_holder),
		net_test(test_what_is_accepted_and_dialed_is_tuned),
		net_test(test_a_socket_ends_each_way_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
