/* Behaviour of a TCP entry: visitors over real sockets, sessions joined in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tunnel/chisel/entry.h"
#include "tunnel/chisel/session_pair_test.h"

struct fixture {
	struct pair *pair;
	struct entry *entry;
	uint16_t port;
};

/* A port that is free now. */
static uint16_t free_port(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	close(fd);
	return ntohs(at.sin_port);
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);
	struct remote remote;
	char text[64];
	struct entry_options o = { .remote = &remote };
	struct why why = { 0 };

	assert_int_equal(pair_setup((void **)&f->pair), 0);
	f->port = free_port();
	snprintf(text, sizeof(text), "127.0.0.1:%u:host:80", f->port);
	assert_int_equal(remote_parse(span_str(text), &remote, &why), ERR_OK);
	o.worker = &f->pair->worker;
	o.tuning = &f->pair->tuning;
	assert_int_equal(entry_open(&o, &f->entry, &why), ERR_OK);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	void *pair = f->pair;

	entry_close(f->entry);
	assert_int_equal(pair_teardown(&pair), 0);
	free(f);
	return 0;
}

static int visit(struct fixture *f)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(f->port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
		assert_int_equal(errno, EINPROGRESS);
	pair_settle(f->pair);
	return fd;
}

static void send_bytes(int fd, size_t n)
{
	uint8_t bytes[256];

	for (size_t i = 0; i < n; i++)
		bytes[i] = user_byte(i);
	assert_int_equal(send(fd, bytes, n, MSG_NOSIGNAL), n);
}

/* 0: ended; -1: was reset; 1: goes on. */
static int how_is(int fd)
{
	char c;
	ssize_t n = recv(fd, &c, 1, MSG_PEEK);

	if (n < 0 && errno == EAGAIN)
		return 1;
	return (int)n;
}

static void test_visitors_wait_for_a_session(void **state)
{
	struct fixture *f = *state;
	struct pair *p = f->pair;
	int first = visit(f), second = visit(f);

	send_bytes(first, 100);
	pair_settle(p);
	assert_int_equal(how_is(first), 1);
	pair_up(p);
	entry_attach(f->entry, p->client.session);
	pair_run_until(p, p->server.user_count == 2);
	pair_run_until(p, p->server.users[0].got == 100);
	assert_string_equal(p->server.target, "host:80");
	close(first);
	close(second);
}

static void test_a_visitor_waits_for_a_limited_time(void **state)
{
	struct fixture *f = *state;
	int fd;

	f->pair->tuning.session_wait_ms = 20;
	fd = visit(f);
	pair_run_until(f->pair, how_is(fd) != 1 || (usleep(100), false));
	close(fd);
}

static void test_a_visitor_whose_session_ends_too_soon_gets_the_next(void **state)
{
	struct fixture *f = *state;
	struct pair *p = f->pair;
	int fd;

	pair_up(p);
	entry_attach(f->entry, p->client.session);
	p->server.hesitates = true;
	fd = visit(f);
	pair_run_until(p, p->server.offered != NULL);
	chisel_session_close(p->server.session, ERR_CLOSED, NULL);
	pair_run_until(p, p->client.closes == 1 && p->server.closes == 1);
	entry_attach(f->entry, NULL);
	channel_refuse(p->server.offered, SSH_PROHIBITED, "over");
	p->server.offered = NULL;
	pair_settle(p);
	assert_int_equal(how_is(fd), 1);

	p->server.hesitates = false;
	pair_up_again(p);
	entry_attach(f->entry, p->client.session);
	send_bytes(fd, 50);
	pair_run_until(p, p->server.users[0].got == 50);
	close(fd);
}

static void test_a_visitor_of_a_session_that_dies_is_reset(void **state)
{
	struct fixture *f = *state;
	struct pair *p = f->pair;
	int fd;

	pair_up(p);
	entry_attach(f->entry, p->client.session);
	fd = visit(f);
	send_bytes(fd, 10);
	pair_run_until(p, p->server.users[0].got == 10);
	p->pipe.b.is_lost = true;
	chisel_session_close(p->client.session, ERR_TIMEOUT, "dead");
	pair_run_until(p, how_is(fd) == -1 || (usleep(100), false));
	entry_attach(f->entry, NULL);
	close(fd);
}

static void test_a_refused_visitor_is_reset_and_the_next_served(void **state)
{
	struct fixture *f = *state;
	struct pair *p = f->pair;
	int fd;

	pair_up(p);
	entry_attach(f->entry, p->client.session);
	p->server.reject = "no";
	fd = visit(f);
	pair_run_until(p, how_is(fd) == -1 || (usleep(100), false));
	close(fd);
	p->server.reject = NULL;
	fd = visit(f);
	send_bytes(fd, 10);
	pair_run_until(p, p->server.users[0].got == 10);
	close(fd);
}

static void test_the_port_is_free_when_it_closes(void **state)
{
	struct fixture *f = *state;
	int fd = visit(f);

	entry_close(f->entry);
	f->entry = NULL;
	pair_run_until(f->pair, how_is(fd) != 1 || (usleep(100), false));
	close(fd);
	fd = visit(f);
	assert_int_equal(how_is(fd), -1);
	close(fd);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_visitors_wait_for_a_session),
		TEST(test_a_visitor_waits_for_a_limited_time),
		TEST(test_a_visitor_whose_session_ends_too_soon_gets_the_next),
		TEST(test_a_visitor_of_a_session_that_dies_is_reset),
		TEST(test_a_refused_visitor_is_reset_and_the_next_served),
		TEST(test_the_port_is_free_when_it_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
