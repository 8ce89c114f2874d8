/* Port 80. */
#include "edge/edge_plain.h"

#include "edge/edge_site_test.h"

struct plain {
	struct pool pool;
	struct edge_plain *edge;
	struct stream *stream;
	struct buf in;
	bool has_ended;
};

static bool plain_is_known(void *arg, const char *host)
{
	(void)arg;
	return strcmp(host, "panel." SITE_ROOT) == 0;
}

static bool plain_answer(void *arg, struct http_exchange *x)
{
	if (!span_is(http_request(x)->target, "/.well-known/acme-challenge/t"))
		return false;
	http_reply(x, 200, NULL, span_str(arg));
	return true;
}

static void plain_on_ready(void *arg, unsigned ready)
{
	struct plain *p = arg;
	uint8_t piece[4096];
	size_t n;
	enum err rc;

	(void)ready;
	while ((rc = stream_read(p->stream, piece, sizeof(piece), &n)) == ERR_OK)
		assert_int_equal(buf_put(&p->in, piece, n), ERR_OK);
	p->has_ended = rc != ERR_AGAIN;
	stream_want(p->stream, rc == ERR_AGAIN ? LOOP_READ : 0);
}

static void plain_open(struct plain *p, struct edge_site *s, uint16_t https_port)
{
	static char key[] = "t.key";
	struct edge_plain_options o = {
		.loop = s->loop,
		.pool = &p->pool,
		.routes = s->shared.routes,
		.root = SITE_ROOT,
		.https_port = https_port,
		.is_known = plain_is_known,
		.answer = plain_answer,
		.answer_arg = key,
		.log = &s->log,
	};

	*p = (struct plain){ .has_ended = false };
	pool_init(&p->pool, 66560, 8);
	buf_init(&p->in, SIZE_MAX);
	assert_int_equal(edge_plain_new(&o, &p->edge), ERR_OK);
}

static void plain_close(struct plain *p)
{
	edge_plain_free(p->edge);
	pool_fini(&p->pool);
	buf_fini(&p->in);
}

/* On a connection of its own; checks the status, and one line of the head. */
static void check(struct plain *p, struct edge_site *s, const char *request,
	const char *status, const char *line)
{
	int ends[2];
	size_t put;

	site_pair(ends);
	http_server_on_accept(edge_plain_http(p->edge), ends[1], &s->peer);
	buf_reset(&p->in);
	assert_int_equal(socket_open_take(s->loop, ends[0], &p->stream), ERR_OK);
	stream_set_owner(p->stream, plain_on_ready, p);
	stream_want(p->stream, LOOP_READ);
	assert_int_equal(stream_put(p->stream, request, strlen(request), &put), ERR_OK);
	site_until(s, p->in.n > 0);
	site_settle(s);
	assert_int_equal(buf_put_u8(&p->in, 0), ERR_OK);
	assert_memory_equal(buf_front(&p->in), status, strlen(status));
	assert_non_null(strstr((char *)buf_front(&p->in), line));
	stream_close(p->stream);
	site_settle(s);
}

static void test_known_names_are_redirected(void **state)
{
	struct edge_site *s = *state;
	struct plain p;

	site_open_tunnel(s, "web");
	plain_open(&p, s, 0);
	check(&p, s, "GET /a?b=//c HTTP/1.1\r\nHost: WEB.example.com:80\r\n\r\n",
		"HTTP/1.1 308 ", "\r\nLocation: https://web.example.com/a?b=//c\r\n");
	check(&p, s, "POST http://web.example.com HTTP/1.1\r\nHost: x\r\n\r\n",
		"HTTP/1.1 308 ", "\r\nLocation: https://web.example.com/\r\n");
	check(&p, s, "GET //evil HTTP/1.1\r\nHost: panel.example.com\r\n\r\n",
		"HTTP/1.1 308 ", "\r\nLocation: https://panel.example.com//evil\r\n");
	check(&p, s, "OPTIONS * HTTP/1.1\r\nHost: example.com\r\n\r\n", "HTTP/1.1 308 ",
		"\r\nLocation: https://example.com\r\n");
	plain_close(&p);

	plain_open(&p, s, 8443);
	check(&p, s, "GET / HTTP/1.1\r\nHost: web.example.com\r\n\r\n", "HTTP/1.1 308 ",
		"\r\nLocation: https://web.example.com:8443/\r\n");
	plain_close(&p);
}

static void test_unknown_names_get_404(void **state)
{
	static const char *const hosts[] = { "none.example.com", "evil", "192.0.2.1",
		"[::1]", "", "web.example.com.evil" };
	struct edge_site *s = *state;
	struct plain p;
	char request[128];

	site_open_tunnel(s, "web");
	plain_open(&p, s, 0);
	for (size_t i = 0; i < mem_count(hosts); i++) {
		snprintf(request, sizeof(request), "GET / HTTP/1.1\r\nHost: %s\r\n\r\n",
			hosts[i]);
		check(&p, s, request, "HTTP/1.1 404 ", "\r\nConnection: close\r\n");
	}
	check(&p, s, "GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 404 ",
		"There is nothing at this address.");
	plain_close(&p);
}

static void test_challenges_are_answered_for_any_host(void **state)
{
	struct edge_site *s = *state;
	struct plain p;

	plain_open(&p, s, 0);
	check(&p, s,
		"GET /.well-known/acme-challenge/t HTTP/1.1\r\nHost: new.example.com\r\n\r\n",
		"HTTP/1.1 200 ", "\r\n\r\nt.key");
	plain_close(&p);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, site_set_up, site_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_known_names_are_redirected),
		TEST(test_unknown_names_get_404),
		TEST(test_challenges_are_answered_for_any_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
