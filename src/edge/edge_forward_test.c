/*
 * What passes between a visitor and the app: bodies of any size with back-pressure,
 * upgrades, early answers; connections that are kept, and ends of each of the three.
 */
#include "edge/edge_site_test.h"

#define MIB ((size_t)1 << 20)

/* ---- bodies ---- */

static void test_bodies_of_a_mebibyte_pass_in_both_directions(void **state)
{
	struct edge_site *s = *state;
	uint8_t *body = make_body(MIB);
	struct guest g;
	const uint8_t *at;

	site_open_tunnel(s, "web");
	guest_come(&g, s, "web");
	guest_ask(&g, "POST / HTTP/1.1", "web", "Content-Length: 1048576\r\n");
	guest_say(&g, body, MIB);
	app_expect(s, "\r\n\r\n");
	at = memmem(buf_span(&s->app->heard).p, s->app->heard.n, "\r\n\r\n", 4);
	at += 4;
	site_until(s,
		s->app->heard.n >= MIB + 100 &&
			(at = (const uint8_t *)memmem(buf_span(&s->app->heard).p,
				      s->app->heard.n, "\r\n\r\n", 4) +
					4) != NULL &&
			buf_span(&s->app->heard).p + s->app->heard.n - at ==
				(ptrdiff_t)MIB);
	assert_memory_equal(at, body, MIB);
	app_say_text(s->app, OK "Content-Length: 1048576\r\n\r\n");
	app_say(s->app, body, MIB);
	assert_int_equal(guest_read_head(&g), 200);
	assert_memory_equal(guest_take(&g, MIB), body, MIB);
	guest_close(&g);
	free(body);
}

static void test_a_slow_reader_stops_the_app(void **state)
{
	struct edge_site *s = *state;
	size_t n = 32 * MIB, kept;
	uint8_t *body = make_body(n);
	struct guest g;

	site_open_tunnel(s, "web");
	guest_come(&g, s, "web");
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	app_expect(s, "\r\n\r\n");
	stream_want(g.stream, 0);
	app_say_text(s->app, OK "Content-Length: 33554432\r\n\r\n");
	app_say(s->app, body, n);
	do {
		kept = s->app->says.n;
		site_settle(s);
	} while (s->app->says.n != kept);
	assert_true(kept > 8 * MIB); /* the rest is in sockets' buffers */
	stream_want(g.stream, LOOP_READ);
	assert_int_equal(guest_read_head(&g), 200);
	assert_memory_equal(guest_take(&g, n), body, n);
	guest_close(&g);
	free(body);
}

static void test_an_upload_waits_for_a_slow_app(void **state)
{
	struct edge_site *s = *state;
	uint8_t *body = make_body(MIB);
	struct guest g;
	size_t put, sent = 0, before;

	site_open_tunnel(s, "web");
	guest_come(&g, s, "web");
	guest_ask(&g, "PUT / HTTP/1.1", "web", "Content-Length: 67108864\r\n");
	app_expect(s, "\r\n\r\n");
	stream_want(s->app->stream, 0);
	do {
		before = sent;
		for (int i = 0; i < 100; i++) {
			site_turn(s);
			if (stream_put(g.stream, body + sent % MIB, MIB - sent % MIB,
				    &put) == ERR_OK)
				sent += put;
		}
	} while (sent != before && sent < 64 * MIB);
	assert_true(sent < 32 * MIB);
	app_forget(s->app);
	stream_want(s->app->stream, LOOP_READ);
	while (sent < 64 * MIB) {
		site_turn(s);
		if (stream_put(g.stream, body + sent % MIB, MIB - sent % MIB, &put) ==
			ERR_OK)
			sent += put;
	}
	app_say_text(s->app, OK "Content-Length: 0\r\n\r\n");
	assert_int_equal(guest_read_answer(&g), 200);
	guest_close(&g);
	free(body);
}

static void test_pieces_pass_at_once(void **state)
{
	struct edge_site *s = *state;
	struct guest g;

	site_open_tunnel(s, "web");
	guest_come(&g, s, "web");
	guest_ask(&g, "GET /events HTTP/1.1", "web", "Accept: text/event-stream\r\n");
	app_expect(s, "\r\n\r\n");
	app_say_text(s->app,
		OK "Content-Type: text/event-stream\r\n"
		   "Transfer-Encoding: chunked\r\nTrailer: T\r\n\r\n"
		   "9\r\ndata: 1\n\n\r\n");
	assert_int_equal(guest_read_head(&g), 200);
	guest_expect(&g, "9\r\ndata: 1\n\n\r\n");
	site_pass(s, 600000);
	app_say_text(s->app, "9\r\ndata: 2\n\n\r\n");
	guest_expect(&g, "9\r\ndata: 2\n\n\r\n");
	app_say_text(s->app, "0\r\nT: trailer\r\n\r\n");
	guest_expect(&g, "0\r\nT: trailer\r\n\r\n");
	get(&g, "web", "hello");
	guest_close(&g);
}

static void test_early_answers_heads_and_ranges_pass(void **state)
{
	struct edge_site *s = *state;
	struct guest g;

	site_open_tunnel(s, "web");
	guest_come(&g, s, "web");
	guest_ask(&g, "GET / HTTP/1.1", "web", "Range: bytes=0-1\r\n");
	app_expect(s, "Range: bytes=0-1\r\n");
	app_say_text(s->app,
		"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
		"HTTP/1.1 206 Partial Content\r\n"
		"Content-Range: bytes 0-1/9\r\nContent-Length: 2\r\n\r\nhi");
	assert_int_equal(guest_read_answer(&g), 103);
	assert_int_equal(guest_read_answer(&g), 206);
	assert_true(guest_has_header(&g, "Content-Range: bytes 0-1/9\r\n"));
	assert_string_equal(g.body, "hi");

	app_forget(s->app);
	guest_ask(&g, "HEAD / HTTP/1.1", "web", "");
	app_expect(s, "HEAD / HTTP/1.1\r\n");
	app_say_text(s->app, OK "Content-Length: 1000\r\n\r\n");
	assert_int_equal(guest_read_head(&g), 200);
	assert_true(guest_has_header(&g, "Content-Length: 1000\r\n"));
	get(&g, "web", "hello");
	guest_close(&g);
}

/* ---- connections ---- */

static void test_requests_in_a_pipeline_share_a_connection_to_the_app(void **state)
{
	struct edge_site *s = *state;
	struct guest g;
	char answer[128];

	site_open_tunnel(s, "web");
	guest_come(&g, s, "web");
	for (int i = 0; i < 3; i++)
		guest_ask(&g, "GET / HTTP/1.1", "web", "");
	for (int i = 0; i < 3; i++) {
		app_expect(s, "\r\n\r\n");
		app_forget(s->app);
		snprintf(answer, sizeof(answer), OK "Content-Length: 1\r\n\r\n%d", i);
		app_say_text(s->app, answer);
		assert_int_equal(guest_read_answer(&g), 200);
		assert_int_equal(g.body[0], '0' + i);
	}
	assert_int_equal(s->apps_n, 1);
	guest_close(&g);

	/* Visitors share it, too. */
	guest_come(&g, s, "web");
	get(&g, "web", "hello");
	assert_int_equal(s->apps_n, 1);
	guest_close(&g);
}

static void test_a_request_that_cannot_be_repeated_needs_a_recent_connection(void **state)
{
	struct edge_site *s = *state;
	struct guest g;

	site_open_tunnel(s, "web");
	guest_come(&g, s, "web");
	for (unsigned i = 0; i < 2; i++) {
		get(&g, "web", "hello");
		site_pass(s, i == 0 ? 999 : 1000);
		app_forget(s->app);
		guest_ask(&g, "POST / HTTP/1.1", "web", "Content-Length: 2\r\n");
		guest_say_text(&g, "hi");
		site_until(s, s->apps_n == 1 + i);
		app_expect(s, "\r\n\r\nhi");
		app_say_text(s->app, OK "Content-Length: 0\r\n\r\n");
		assert_int_equal(guest_read_answer(&g), 200);
	}

	/* It is not asked again, although nothing was heard. */
	app_forget(s->app);
	guest_ask(&g, "POST / HTTP/1.1", "web", "Content-Length: 0\r\n");
	app_expect(s, "\r\n\r\n");
	assert_int_equal(s->apps_n, 2);
	app_close(s->app);
	assert_int_equal(guest_read_answer(&g), 502);
	assert_int_equal(s->apps_n, 2);
	guest_close(&g);
}

static void test_a_request_on_a_kept_connection_that_ends_is_asked_again(void **state)
{
	struct edge_site *s = *state;
	struct guest g;

	site_open_tunnel(s, "web");
	guest_come(&g, s, "web");
	get(&g, "web", "hello");
	app_forget(s->app);
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	app_expect(s, "\r\n\r\n");
	assert_int_equal(s->apps_n, 1);
	app_close(s->app);
	site_until(s, s->apps_n == 2);
	app_expect(s, "\r\n\r\n");
	app_say_text(s->app, OK "Content-Length: 5\r\n\r\nagain");
	assert_int_equal(guest_read_answer(&g), 200);
	assert_string_equal(g.body, "again");
	guest_close(&g);
}

static void test_a_connection_can_be_upgraded(void **state)
{
	struct edge_site *s = *state;
	struct route *r = site_open_tunnel(s, "web");
	struct guest g;

	guest_come(&g, s, "web");
	guest_ask(&g, "GET /ws HTTP/1.1", "web",
		"Connection: Upgrade\r\nUpgrade: websocket\r\n"
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n");
	app_expect(s, "\r\n\r\n");
	assert_true(app_has(s->app, "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
	app_say_text(s->app,
		"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n"
		"Upgrade: websocket\r\n\r\nfrom the app");
	assert_int_equal(guest_read_head(&g), 101);
	guest_expect(&g, "from the app");
	guest_say_text(&g, "from the visitor");
	app_expect(s, "from the visitor");
	site_pass(s, 3600000);
	app_say_text(s->app, "later");
	guest_expect(&g, "later");

	/* A change of the tunnel leaves it alone, and its end ends it. */
	r = site_replace(s, r, site_new_tunnel("web", 0));
	app_say_text(s->app, "still");
	guest_expect(&g, "still");
	site_close_tunnel(s, r, true);
	guest_wait_end(&g);
	site_until(s, s->app->stream == NULL);
	guest_close(&g);
}

static void test_an_agent_that_goes_cuts_the_answer_off(void **state)
{
	struct edge_site *s = *state;
	struct guest g;

	site_open_tunnel(s, "web");
	guest_come(&g, s, "web");
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	app_expect(s, "\r\n\r\n");
	app_say_text(s->app, OK "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
	assert_int_equal(guest_read_head(&g), 200);
	guest_expect(&g, "3\r\nabc\r\n");
	stream_abort(s->app->stream);
	s->app->stream = NULL;
	assert_int_not_equal(guest_wait_end(&g), ERR_EOF); /* it is not complete */
	guest_close(&g);
}

/* Zeroes, until nothing moves any more. */
static void upload_until_full(struct guest *g)
{
	uint8_t *zeroes = calloc(1, MIB);
	unsigned moved = 1;
	size_t put;

	while (moved > 0) {
		moved = 0;
		for (int i = 0; i < 100; i++) {
			site_turn(g->site);
			moved += stream_put(g->stream, zeroes, MIB, &put) == ERR_OK;
		}
	}
	free(zeroes);
}

static void test_a_visitor_that_goes_ends_the_request(void **state)
{
	struct edge_site *s = *state;
	struct route *r = site_open_tunnel(s, "web");
	struct guest g;

	guest_come(&g, s, "web");
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	app_expect(s, "\r\n\r\n");
	app_say_text(s->app, OK "Content-Length: 100\r\n\r\nhi");
	assert_int_equal(guest_read_head(&g), 200);
	stream_abort(g.stream);
	g.stream = NULL;
	site_until(s, s->app->stream == NULL);

	/* Also while the app takes no more of its upload, */
	guest_close(&g);
	guest_come(&g, s, "web");
	guest_ask(&g, "PUT / HTTP/1.1", "web", "Content-Length: 67108864\r\n");
	site_until(s, s->apps_n == 2);
	app_expect(s, "\r\n\r\n");
	stream_want(s->app->stream, 0);
	upload_until_full(&g);
	stream_abort(g.stream);
	g.stream = NULL;
	site_until(s, list_is_empty(&r->served->owner->visitors));
	stream_want(s->app->stream, LOOP_READ);
	site_until(s, s->app->stream == NULL);
	assert_true(s->app->heard.n < 64 * MIB);

	/* and while its claim waits. */
	s->is_slow = true;
	guest_close(&g);
	guest_come(&g, s, "web");
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	site_until(s, !list_is_empty(&s->waiting));
	stream_abort(g.stream);
	g.stream = NULL;
	site_until(s, list_is_empty(&s->waiting));
	guest_close(&g);
}

/* ---- changes of a tunnel ---- */

static void test_a_change_loses_no_byte_of_a_download(void **state)
{
	struct edge_site *s = *state;
	struct route *r = site_open_tunnel(s, "web");
	uint8_t *body = make_body(4 * MIB);
	struct app *first;
	struct guest g, other;

	guest_come(&g, s, "web");
	guest_come(&other, s, "web");
	get(&other, "web", "hello");
	app_forget(s->app);
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	app_expect(s, "\r\n\r\n");
	first = s->app;
	app_say_text(first, OK "Content-Length: 4194304\r\n\r\n");
	app_say(first, body, MIB);
	site_settle(s);

	r = site_replace(s, r, site_new_tunnel("web", 0));
	assert_int_equal(s->carriers, 1);
	app_say(first, body + MIB, 3 * MIB);
	assert_int_equal(guest_read_head(&g), 200);
	assert_memory_equal(guest_take(&g, 4 * MIB), body, 4 * MIB);
	site_until(s, first->stream == NULL); /* not kept for the new one */

	/* The next requests of both go there. */
	get(&g, "web", "new");
	get(&other, "web", "new, too");
	assert_ptr_not_equal(s->app, first);
	assert_int_equal(r->bytes > 0, true);
	guest_close(&g);
	guest_close(&other);
	free(body);
}

static void test_a_request_that_waits_goes_to_the_new_route(void **state)
{
	struct edge_site *s = *state;
	struct route *r = site_open_tunnel(s, "web");
	struct guest g;

	s->is_slow = true;
	guest_come(&g, s, "web");
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	site_until(s, !list_is_empty(&s->waiting));
	s->is_slow = false;
	site_replace(s, r, site_new_tunnel("web", 0));
	app_expect(s, "\r\n\r\n");
	app_say_text(s->app, OK "Content-Length: 2\r\n\r\nhi");
	assert_int_equal(guest_read_answer(&g), 200);
	guest_close(&g);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, site_set_up, site_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_bodies_of_a_mebibyte_pass_in_both_directions),
		TEST(test_a_slow_reader_stops_the_app),
		TEST(test_an_upload_waits_for_a_slow_app),
		TEST(test_pieces_pass_at_once),
		TEST(test_early_answers_heads_and_ranges_pass),
		TEST(test_requests_in_a_pipeline_share_a_connection_to_the_app),
		TEST(test_a_request_that_cannot_be_repeated_needs_a_recent_connection),
		TEST(test_a_request_on_a_kept_connection_that_ends_is_asked_again),
		TEST(test_a_connection_can_be_upgraded),
		TEST(test_an_agent_that_goes_cuts_the_answer_off),
		TEST(test_a_visitor_that_goes_ends_the_request),
		TEST(test_a_change_loses_no_byte_of_a_download),
		TEST(test_a_request_that_waits_goes_to_the_new_route),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
