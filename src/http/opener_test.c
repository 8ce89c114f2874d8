/*
 * Upstreams whose connections are opened by an opener in place of a dial; and the limits
 * and hooks of a proxy that stands at the edge.
 */
#include "http/proxied_test.h"

#define GET "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"

/* Connects to the fixture's upstream when the test says so. */
struct opening {
	struct fixture *f;
	http_opened_fn *fn; /* NULL: none is under way */
	void *arg;
	unsigned opened, cancelled, ended, failures;
	enum http_failure failure;
	enum err rc, refuses;
};

static enum err opening_open(void *arg, http_opened_fn *fn, void *fn_arg)
{
	struct opening *o = arg;

	if (o->refuses != ERR_OK)
		return o->refuses;
	assert_null(o->fn);
	o->fn = fn;
	o->arg = fn_arg;
	return ERR_OK;
}

static void opening_cancel(void *arg)
{
	struct opening *o = arg;

	assert_non_null(o->fn);
	o->fn = NULL;
	o->cancelled++;
}

static const struct http_opener opener = { .open = opening_open,
	.cancel = opening_cancel };

static void opening_on_end(void *arg)
{
	struct opening *o = arg;

	o->ended++;
}

static void opening_on_failure(void *arg, struct http_exchange *x, enum http_failure what,
	enum err rc)
{
	struct opening *o = arg;

	o->failures++;
	o->failure = what;
	o->rc = rc;
	if (x != NULL)
		http_reply(x, 503, NULL, span_str("a page\n"));
}

static void opening_finish(struct opening *o, enum err rc)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	http_opened_fn *fn = o->fn;
	struct stream *stream = NULL;
	int fd;

	assert_non_null(fn);
	if (rc == ERR_OK) {
		snprintf(at.sun_path, sizeof(at.sun_path), "%s", o->f->path);
		fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
		assert_int_equal(socket_open_take(o->f->loop, fd, &stream), ERR_OK);
		o->opened++;
	}
	o->fn = NULL;
	fn(o->arg, rc, stream, NULL);
}

static void open_with(struct fixture *f, struct opening *o)
{
	*o = (struct opening){ .f = f };
	begin(f, BLOCK_BYTES);
	f->how.opener = &opener;
	f->how.opener_arg = o;
	f->how.on_failure = opening_on_failure;
	f->how.failure_arg = o;
	f->how.on_end = opening_on_end;
	f->how.end_arg = o;
	f->client.may_say = f->origin.may_say = SIZE_MAX;
}

static void ask(struct fixture *f, const char *request)
{
	assert_int_equal(buf_put_str(&f->client.says, request), ERR_OK);
	party_start(&f->client);
	settle(f);
	settle(f);
}

static void answer(struct fixture *f, const char *text)
{
	assert_int_equal(buf_put_str(&f->origin.says, text), ERR_OK);
	party_start(&f->origin);
	settle(f);
	settle(f);
}

static bool client_has(const struct fixture *f, const char *text)
{
	struct span heard = buf_span(&f->client.heard);

	return heard.n > 0 && memmem(heard.p, heard.n, text, strlen(text)) != NULL;
}

static void test_an_opener_takes_the_place_of_a_dial(void **state)
{
	struct fixture *f = *state;
	struct opening o;

	open_with(f, &o);
	f->how.answer_headers = "A: ours\r\nB: ours\r\n";
	ask(f, GET);
	assert_int_equal(f->origin.heard.n, 0);
	opening_finish(&o, ERR_OK);
	settle(f);
	assert_true(f->origin.heard.n > 0);
	answer(f, "HTTP/1.1 200 OK\r\nb: its\r\nContent-Length: 2\r\n\r\nhi");
	assert_true(client_has(f, "A: ours\r\n"));
	assert_true(client_has(f, "b: its\r\n"));
	assert_false(client_has(f, "B: ours"));
	assert_int_equal(o.ended, 1);
	end(f);
}

static void test_a_kept_connection_needs_no_opener_until_it_has_ended(void **state)
{
	struct fixture *f = *state;
	struct opening o;

	open_with(f, &o);
	f->how.idle = f->idle;
	ask(f, GET);
	opening_finish(&o, ERR_OK);
	settle(f);
	answer(f, OK);
	assert_int_equal(idle_pool_count(f->idle), 1);
	ask(f, GET);
	assert_null(o.fn);
	assert_int_equal(idle_pool_count(f->idle), 0);

	/* It ends without an answer: the request goes out on a new one. */
	party_close(&f->origin);
	settle(f);
	opening_finish(&o, ERR_OK);
	settle(f);
	answer(f, OK);
	assert_int_equal(o.opened, 2);
	assert_int_equal(o.ended, 2);
	assert_int_equal(o.failures, 0);
	assert_int_equal(idle_pool_count(f->idle), 1);

	/* A pool that has ended keeps nothing of what is under way. */
	ask(f, GET);
	idle_pool_end(f->idle);
	answer(f, OK);
	assert_int_equal(o.ended, 3);
	assert_int_equal(idle_pool_count(f->idle), 0);
	end(f);
}

static void test_failures_are_answered_by_the_owner(void **state)
{
	struct fixture *f = *state;
	struct opening o;

	open_with(f, &o);
	ask(f, GET);
	opening_finish(&o, ERR_CLOSED);
	settle(f);
	assert_int_equal(o.failure, HTTP_UNREACHABLE);
	assert_int_equal(o.rc, ERR_CLOSED);
	assert_true(client_has(f, "a page\n"));

	o.refuses = ERR_NOMEM;
	ask(f, GET);
	assert_int_equal(o.rc, ERR_NOMEM);
	o.refuses = ERR_OK;

	ask(f, GET);
	time_pass(f->loop, 10000);
	assert_int_equal(o.rc, ERR_TIMEOUT);
	assert_int_equal(o.failure, HTTP_UNREACHABLE);
	assert_int_equal(o.cancelled, 1);

	ask(f, GET);
	opening_finish(&o, ERR_OK);
	settle(f);
	answer(f, "no HTTP\r\n\r\n");
	assert_int_equal(o.failure, HTTP_UNANSWERED);
	assert_int_equal(o.failures, 4);
	assert_int_equal(o.ended, 4);
	end(f);
}

static void test_a_client_that_goes_cancels_the_opening(void **state)
{
	struct fixture *f = *state;
	struct opening o;

	open_with(f, &o);
	ask(f, GET);
	ask(f, GET); /* the next one waits, and does not wake the loop */
	party_close(&f->client);
	settle(f);
	assert_int_equal(o.cancelled, 0); /* it may have ended its side alone */
	opening_finish(&o, ERR_CLOSED);
	settle(f);
	assert_int_equal(o.failures, 1);
	assert_int_equal(o.ended, 1);
	end(f);

	open_with(f, &o);
	ask(f, GET);
	http_server_free(f->server);
	f->server = NULL;
	assert_int_equal(o.cancelled, 1);
	assert_int_equal(o.ended, 1);
	end(f);
}

static void test_a_connection_without_bytes_times_out(void **state)
{
	struct fixture *f = *state;
	struct opening o;

	open_with(f, &o);
	f->how.idle_ms = 60000;
	ask(f, GET);
	opening_finish(&o, ERR_OK);
	settle(f);
	time_pass(f->loop, 59999);
	assert_int_equal(o.failures, 0);
	time_pass(f->loop, 1);
	assert_int_equal(o.failure, HTTP_TIMED_OUT);

	/* One whose answer has begun is cut; each byte is time. */
	ask(f, GET);
	opening_finish(&o, ERR_OK);
	settle(f);
	time_pass(f->loop, 40000);
	answer(f, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\na");
	time_pass(f->loop, 40000);
	answer(f, "b");
	assert_int_equal(o.ended, 1);
	assert_non_null(f->client.stream);
	time_pass(f->loop, 60000);
	assert_int_equal(o.ended, 2);
	assert_null(f->client.stream);
	assert_int_equal(o.failures, 2);
	end(f);
}

static void test_an_upgraded_connection_without_bytes_is_cut(void **state)
{
	struct fixture *f = *state;
	struct opening o;

	open_with(f, &o);
	f->how.idle_ms = 60000;
	ask(f, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
	opening_finish(&o, ERR_OK);
	settle(f);
	answer(f, "HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n");
	for (int i = 0; i < 5; i++) {
		time_pass(f->loop, 50000);
		answer(f, "ping");
	}
	assert_int_equal(o.ended, 0);
	time_pass(f->loop, 120000);
	assert_int_equal(o.ended, 1);
	assert_null(f->client.stream);
	assert_null(f->origin.stream);
	end(f);
}

static void test_a_body_has_a_limit(void **state)
{
	struct fixture *f = *state;
	struct opening o;

	open_with(f, &o);
	f->how.body_max = 5;
	ask(f,
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
		"3\r\nabc\r\n");
	opening_finish(&o, ERR_OK);
	settle(f);
	ask(f, "2\r\nde\r\n");
	assert_int_equal(o.failures, 0);
	ask(f, "1\r\nf\r\n0\r\n\r\n");
	assert_int_equal(o.failure, HTTP_BODY_TOO_LONG);
	assert_int_equal(o.ended, 1);
	assert_true(client_has(f, "a page\n"));
	end(f);

	open_with(f, &o);
	f->how.body_max = 5;
	f->how.on_failure = NULL;
	ask(f, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabcdef");
	opening_finish(&o, ERR_OK);
	settle(f);
	assert_true(client_has(f, "HTTP/1.1 413 "));
	end(f);
}

static void test_names_are_dropped(void **state)
{
	static const char *const drops[] = { "Remote-User", "Remote-Name", NULL };
	struct fixture *f = *state;
	struct opening o;
	struct span heard;

	open_with(f, &o);
	f->how.drops = drops;
	ask(f,
		"GET / HTTP/1.1\r\nHost: a\r\nremote-user: root\r\nRemote_Name: root\r\n"
		"Remote-Users: 2\r\n\r\n");
	opening_finish(&o, ERR_OK);
	settle(f);
	heard = buf_span(&f->origin.heard);
	assert_null(memmem(heard.p, heard.n, "root", 4));
	assert_non_null(memmem(heard.p, heard.n, "Remote-Users: 2\r\n", 17));
	end(f);
}

/* ---- connections with a tag ---- */

static void count(void *arg)
{
	++*(unsigned *)arg;
}

static void test_a_tagged_connection_is_cut(void **state)
{
	struct fixture *f = *state;
	struct opening o;
	unsigned closed = 0;
	struct http_tag tag = { .arg = &closed, .on_closed = count };
	struct connection *c;
	struct stream *below;
	int fds[2];

	open_with(f, &o);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(socket_open_take(f->loop, fds[1], &below), ERR_OK);
	c = http_server_serve_tagged_take(f->server, below, &f->peer, &tag);
	assert_non_null(c);
	party_close(&f->client);
	party_open(f, &f->client, fds[0], NULL, false);
	ask(f, GET);
	opening_finish(&o, ERR_OK);
	settle(f);
	http_connection_cut(c);
	http_connection_cut(c); /* twice is fine */
	settle(f);
	assert_int_equal(closed, 1);
	assert_int_equal(o.ended, 1);
	assert_null(f->client.stream);
	end(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_an_opener_takes_the_place_of_a_dial),
		TEST(test_a_kept_connection_needs_no_opener_until_it_has_ended),
		TEST(test_failures_are_answered_by_the_owner),
		TEST(test_a_client_that_goes_cancels_the_opening),
		TEST(test_a_connection_without_bytes_times_out),
		TEST(test_an_upgraded_connection_without_bytes_is_cut),
		TEST(test_a_body_has_a_limit),
		TEST(test_names_are_dropped),
		TEST(test_a_tagged_connection_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
