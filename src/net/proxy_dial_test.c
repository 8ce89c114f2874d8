/* Behaviour of a dial through a proxy, against proxies that follow a script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

#include "net/addr.h"
#include "net/proxy_dial.h"

#define AGENT "User-Agent: Go-http-client/1.1\r\n"

/* What the proxy hears, and says then. */
struct line {
	const char *hears, *says;
	size_t hears_n, says_n; /* 0: they are text */
};

struct story {
	struct dial_proxy proxy;
	const char *host;
	struct line lines[4];
	enum err rc;
	const char *why;
};

static const struct story stories[] = {
	{
		.host = "tunnel.test",
		.lines = { { .hears = "CONNECT tunnel.test:443 HTTP/1.1\r\n"
				      "Host: tunnel.test:443\r\n" AGENT "\r\n",
			.says = "HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\nhello" } },
	},
	{
		.proxy = { .user = "ann", .password = "secret" },
		.host = "::1",
		.lines = { { .hears =
				     "CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n" AGENT
				     "Proxy-Authorization: Basic YW5uOnNlY3JldA==\r\n\r\n",
			.says = "HTTP/1.1 200\r\n\r\nhello" } },
	},
	{
		.host = "tunnel.test",
		.lines = { { .hears = "CONNECT",
			.says = "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n" } },
		.rc = ERR_DENIED,
		.why = "the proxy refuses: 407 Proxy Authentication Required",
	},
	{
		.host = "tunnel.test",
		.lines = { { .hears = "CONNECT", .says = "HTTP/1.1 2000 OK\r\n\r\n" } },
		.rc = ERR_DENIED,
		.why = "the proxy refuses: 2000 OK",
	},
	{
		.host = "tunnel.test",
		.lines = { { .hears = "CONNECT", .says = "SSH-2.0-OpenSSH\r\n\r\n" } },
		.rc = ERR_SYNTAX,
		.why = "the proxy does not speak HTTP",
	},
	{
		.host = "tunnel.test",
		.lines = { { .hears = "CONNECT", .says = "HTTP/1.1 200 OK\r\n" } },
		.rc = ERR_SYS,
		.why = "the proxy closed the connection: Connection reset by peer",
	},
	{
		.proxy = { .is_socks = true },
		.host = "tunnel.test",
		.lines = { { "\5\1\0", "\5\0", 3, 2 },
			{ "\5\1\0\3\13tunnel.test\1\273", "\5\0\0\1\0\0\0\0\0\0hello", 18,
				15 } },
	},
	{
		.proxy = { .is_socks = true, .user = "ann", .password = "pw" },
		.host = "10.1.2.3",
		.lines = { { "\5\2\0\2", "\5\2", 4, 2 }, { "\1\3ann\2pw", "\1\0", 8, 2 },
			{ "\5\1\0\1\12\1\2\3\1\273", "\5\0\0\3\1x\0\0hello", 10, 13 } },
	},
	{
		.proxy = { .is_socks = true },
		.host = "tunnel.test",
		.lines = { { "\5\1\0", "\5\0", 3, 2 },
			{ "\5\1\0\3\13tunnel.test\1\273", "\5\5\0\1\0\0\0\0\0\0", 18,
				10 } },
		.rc = ERR_PROTO,
		.why = "the proxy could not connect: connection refused",
	},
};

struct fixture {
	struct loop *loop;
	const struct story *story;
	int listener;
	bool is_trickling;
	uint16_t port;
	pthread_t thread;
	enum err rc;
	int fd;
	unsigned calls;
	struct why why;
};

static int setup(void **state)
{
	struct fixture *x = mem_new(x);
	struct addr at;

	assert_int_equal(loop_new(&x->loop), ERR_OK);
	x->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(addr_from_literal("127.0.0.1", 0, &at), ERR_OK);
	assert_int_equal(bind(x->listener, &at.sa, at.n), 0);
	assert_int_equal(listen(x->listener, 8), 0);
	assert_true(addr_of_local(x->listener, &at));
	x->port = addr_port(&at);
	*state = x;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *x = *state;

	close(x->listener);
	loop_free(x->loop);
	free(x);
	return 0;
}

static size_t text_n(const char *text, size_t n)
{
	return n != 0 ? n : strlen(text);
}

static bool hear(int fd, const char *text, size_t n)
{
	char heard[512];
	size_t have = 0;

	while (have < n) {
		ssize_t more = recv(fd, heard + have, n - have, 0);

		if (more <= 0)
			return false;
		have += (size_t)more;
	}
	return memcmp(heard, text, n) == 0;
}

static void *proxy_main(void *arg)
{
	struct fixture *x = arg;
	int fd = accept(x->listener, NULL, NULL);

	for (const struct line *l = x->story->lines; l->hears != NULL; l++) {
		size_t n = text_n(l->says, l->says_n), step = x->is_trickling ? 1 : n;

		if (!hear(fd, l->hears, text_n(l->hears, l->hears_n)))
			break;
		for (size_t at = 0; at < n; at += step)
			(void)!send(fd, l->says + at, step, MSG_NOSIGNAL);
	}
	shutdown(fd, SHUT_WR);
	while (recv(fd, &(char){ 0 }, 1, 0) > 0) /* the rest of what we did not compare */
		;
	close(fd);
	return NULL;
}

static void on_dialed(void *arg, enum err rc, int fd, int errnum, const struct why *why)
{
	struct fixture *x = arg;

	(void)errnum;
	x->calls++;
	x->rc = rc;
	x->fd = fd;
	x->why = *why;
	loop_stop(x->loop);
}

static void tell(struct fixture *x, const struct story *story)
{
	struct dial_proxy proxy = story->proxy;
	struct proxy_dial_options options = { .loop = x->loop,
		.proxy = &proxy,
		.host = story->host,
		.port = 443,
		.fn = on_dialed,
		.arg = x };
	struct proxy_dial *p;

	x->story = story;
	x->calls = 0;
	proxy.host = "127.0.0.1";
	proxy.port = x->port;
	pthread_create(&x->thread, NULL, proxy_main, x);
	assert_int_equal(proxy_dial_open(&options, &p, NULL), ERR_OK);
	loop_run(x->loop);
	assert_int_equal(x->calls, 1);
	assert_int_equal(x->rc, story->rc);
	if (story->rc == ERR_OK) {
		assert_int_equal(fcntl(x->fd, F_SETFL, 0), 0); /* it may be on its way */
		assert_true(hear(x->fd, "hello", 5));
		close(x->fd);
	} else {
		assert_string_equal(x->why.text, story->why);
	}
	pthread_join(x->thread, NULL);
}

static void test_a_proxy_connects_or_the_reason_is_reported(void **state)
{
	for (size_t i = 0; i < mem_count(stories); i++)
		tell(*state, &stories[i]);
}

static void test_an_answer_may_come_byte_by_byte(void **state)
{
	struct fixture *x = *state;

	x->is_trickling = true;
	for (size_t i = 0; i < mem_count(stories); i++)
		tell(x, &stories[i]);
}

static void test_an_answer_without_end_is_cut_off(void **state)
{
	static char endless[20000] = "HTTP/1.1 200 OK\r\nX: ";
	struct story story = { .host = "tunnel.test",
		.lines = { { "CONNECT", endless, 0, sizeof(endless) } },
		.rc = ERR_LIMIT,
		.why = "the proxy's answer is too long" };

	memset(endless + 20, 'x', sizeof(endless) - 20);
	tell(*state, &story);
}

static void test_a_silent_proxy_times_out(void **state)
{
	struct fixture *x = *state;
	struct dial_proxy proxy = { .host = "127.0.0.1", .port = x->port };
	struct proxy_dial_options options = { .loop = x->loop,
		.proxy = &proxy,
		.host = "tunnel.test",
		.port = 443,
		.timeout_ms = 30,
		.fn = on_dialed,
		.arg = x };
	struct proxy_dial *p;

	assert_int_equal(proxy_dial_open(&options, &p, NULL), ERR_OK);
	loop_run(x->loop);
	assert_int_equal(x->rc, ERR_TIMEOUT);

	x->calls = 0;
	assert_int_equal(proxy_dial_open(&options, &p, NULL), ERR_OK);
	proxy_dial_close(p);
	loop_turn(x->loop);
	assert_int_equal(x->calls, 0);
}

static void test_what_would_break_the_dialogue_is_refused(void **state)
{
	struct fixture *x = *state;
	struct dial_proxy proxy = { .host = "127.0.0.1", .port = x->port };
	struct proxy_dial_options options = { .loop = x->loop,
		.proxy = &proxy,
		.host = "a\r\nX-Evil: 1",
		.fn = on_dialed };
	struct proxy_dial *p;

	assert_int_equal(proxy_dial_open(&options, &p, NULL), ERR_USAGE);
	options.host = "";
	assert_int_equal(proxy_dial_open(&options, &p, NULL), ERR_USAGE);
	options.host = "fine";
	proxy.user = proxy.password = "new\nline";
	assert_int_equal(proxy_dial_open(&options, &p, NULL), ERR_USAGE);
}

#define proxy_test(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		proxy_test(test_a_proxy_connects_or_the_reason_is_reported),
		proxy_test(test_an_answer_may_come_byte_by_byte),
		proxy_test(test_an_answer_without_end_is_cut_off),
		proxy_test(test_a_silent_proxy_times_out),
		proxy_test(test_what_would_break_the_dialogue_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
