/* The endpoint for Prometheus. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "http/metrics.h"
#include "loop/loop.h"

struct fixture {
	struct loop *loop;
	struct pool pool;
	struct http_metrics *metrics;
	struct addr at;
	bool fails;
};

static void on_put(void *arg, struct buf *out)
{
	struct fixture *f = arg;

	buf_put_str(out, "adit_up 1\n");
	if (f->fails)
		out->failed = ERR_LIMIT;
}

static int setup(void **state)
{
	struct fixture *f = mem_new(f);
	struct http_metrics_options o = { .pool = &f->pool,
		.host = "127.0.0.1",
		.put = on_put,
		.arg = f };

	assert_int_equal(loop_new(&f->loop), ERR_OK);
	pool_init(&f->pool, 66560, 4);
	o.loop = f->loop;
	assert_int_equal(http_metrics_open(&o, &f->metrics, NULL), ERR_OK);
	http_metrics_addr(f->metrics, &f->at);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	http_metrics_close(f->metrics);
	loop_turn(f->loop);
	loop_free(f->loop);
	pool_fini(&f->pool);
	free(f);
	return 0;
}

/* The answer to @request, good until the next. */
static const char *ask(struct fixture *f, const char *request)
{
	static char answer[2048];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t n = strlen(request), got = 0;
	ssize_t more = -1;

	assert_int_equal(connect(fd, &f->at.sa, f->at.n), 0);
	assert_int_equal(write(fd, request, n), n);
	for (int i = 0; i < 10000 && more != 0; i++) {
		loop_turn(f->loop);
		more = recv(fd, answer + got, sizeof(answer) - 1 - got, MSG_DONTWAIT);
		got += more > 0 ? (size_t)more : 0;
		usleep(more < 0 ? 100 : 0);
	}
	close(fd);
	answer[got] = '\0';
	return answer;
}

static void test_metrics_are_served_to_gets_for_loopback(void **state)
{
	static const struct {
		const char *request, *status;
	} rows[] = {
		{ "GET /metrics HTTP/1.1\r\nHost: localhost:9100", "HTTP/1.1 200 " },
		{ "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1", "HTTP/1.1 200 " },
		{ "HEAD /metrics HTTP/1.1\r\nHost: localhost", "HTTP/1.1 200 " },
		{ "GET / HTTP/1.1\r\nHost: localhost", "HTTP/1.1 404 " },
		{ "POST /metrics HTTP/1.1\r\nHost: localhost", "HTTP/1.1 405 " },
		{ "GET /metrics HTTP/1.1\r\nHost: evil.example", "HTTP/1.1 421 " },
		{ "GET /metrics HTTP/1.1\r\nHost: evil.example:80", "HTTP/1.1 421 " },
	};
	struct fixture *f = *state;
	char request[200];

	for (size_t i = 0; i < mem_count(rows); i++) {
		const char *answer;
		bool is_read = strncmp(rows[i].request, "GET", 3) == 0 &&
			strstr(rows[i].status, "200") != NULL;

		snprintf(request, sizeof(request), "%s\r\nConnection: close\r\n\r\n",
			rows[i].request);
		answer = ask(f, request);
		assert_int_equal(strncmp(answer, rows[i].status, strlen(rows[i].status)),
			0);
		assert_int_equal(strstr(answer, "adit_up 1\n") != NULL, is_read);
		assert_int_equal(strstr(answer, HTTP_METRICS_TYPE) != NULL,
			strstr(rows[i].status, "200") != NULL);
	}
}

static void test_too_much_text_is_an_error(void **state)
{
	struct fixture *f = *state;

	f->fails = true;
	assert_non_null(strstr(ask(f,
				       "GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
				       "Connection: close\r\n\r\n"),
		"HTTP/1.1 500 "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_metrics_are_served_to_gets_for_loopback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_much_text_is_an_error, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
