/*
 * Visitors of tunnels, from their ClientHello to the app and back: real sockets and TLS,
 * the edge on two workers, and an app behind a carrier of the test's.
 */
#include "edge/edge_site_test.h"

static void test_a_visitor_reaches_the_app(void **state)
{
	struct edge_site *s = *state;
	struct route *r = site_open_tunnel(s, "web");
	struct guest g;
	char *id;

	guest_come(&g, s, "web");
	guest_ask(&g, "GET /a?b HTTP/1.1", "web", "Cookie: c\r\nA: b\r\n");
	app_expect(s, "\r\n\r\n");
	assert_true(app_has(s->app, "GET /a?b HTTP/1.1\r\nHost: web.example.com\r\n"));
	assert_true(app_has(s->app, "Cookie: c\r\nA: b\r\n"));
	app_say_text(s->app, OK "B: c\r\nContent-Length: 5\r\n\r\nhello");
	assert_int_equal(guest_read_answer(&g), 200);
	assert_string_equal(g.body, "hello");
	assert_true(guest_has_header(&g, "B: c\r\n"));
	assert_true(
		guest_has_header(&g, "Strict-Transport-Security: max-age=31536000\r\n"));
	id = strstr(g.head, "X-Request-Id: ");
	assert_non_null(id);
	assert_int_equal(strspn(id + 14, "0123456789abcdef"), 16);
	id[14 + 16] = '\0';
	assert_true(app_has(s->app, id)); /* the app can log it, too */
	assert_int_equal(r->visitors, 1);
	assert_true(r->bytes > 0);
	assert_int_equal(s->workers[0].stats.visitors, 1);
	guest_close(&g);
}

static void test_a_visitor_is_moved_to_the_worker_of_the_tunnel(void **state)
{
	struct edge_site *s = *state;
	struct guest g;

	site_publish(s, site_new_tunnel("web", 1));
	guest_come_by(&g, s, 0, "web");
	get(&g, "web", "hello");
	assert_int_equal(s->workers[1].stats.visitors, 1);
	guest_close(&g);
}

static void test_the_app_is_told_of_the_visitor_by_the_edge_alone(void **state)
{
	struct edge_site *s = *state;
	struct guest g;

	site_open_tunnel(s, "web");
	guest_come(&g, s, "web");
	guest_ask(&g, "GET / HTTP/1.1", "web",
		"X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: http\r\n"
		"X-Forwarded-Host: evil\r\nX_Forwarded_Host: evil\r\nX-Real-IP: 6.6.6.6\r\n"
		"Forwarded: for=6.6.6.6\r\nRemote-User: evil\r\nremote_user: evil\r\n"
		"Remote-Groups: evil\r\nREMOTE-NAME: evil\r\nRemote-Email: evil\r\n"
		"X-Request-Id: evil\r\nConnection: X-Secret\r\nX-Secret: evil\r\n");
	app_expect(s, "\r\n\r\n");
	assert_false(app_has(s->app, "evil"));
	assert_false(app_has(s->app, "6.6.6.6"));
	assert_true(app_has(s->app, "X-Forwarded-For: 203.0.113.9\r\n"));
	assert_true(app_has(s->app, "X-Real-IP: 203.0.113.9\r\n"));
	assert_true(app_has(s->app, "X-Forwarded-Proto: https\r\n"));
	assert_true(app_has(s->app, "X-Forwarded-Host: web.example.com\r\n"));
	assert_true(app_has(s->app,
		"Forwarded: for=203.0.113.9;host=\"web.example.com\";proto=https\r\n"));
	guest_close(&g);

	assert_int_equal(addr_from_literal("2001:db8::7", 4444, &s->peer), ERR_OK);
	guest_come(&g, s, "web");
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	app_expect(s, "Forwarded: for=\"[2001:db8::7]\";");
	guest_close(&g);
}

static void test_a_trusted_proxy_speaks_for_its_clients(void **state)
{
	struct edge_site *s = *state;
	struct tunnel_route *t = site_new_tunnel("web", 0);
	struct prefix proxy;
	struct guest g[2];

	assert_int_equal(prefix_parse(span_str("203.0.113.0/24"), &proxy), ERR_OK);
	assert_int_equal(prefix_set_add(&s->snapshot.proxies, &proxy), ERR_OK);
	t->limits.client_connections = 1;
	site_publish(s, t);
	for (int i = 0; i < 2; i++)
		guest_come(&g[i], s, "web");
	guest_ask(&g[1], "GET / HTTP/1.1", "web",
		"X-Forwarded-For: 6.6.6.6, 198.51.100.7\r\nX-Forwarded-Proto: http\r\n"
		"Forwarded: for=evil\r\nRemote-User: evil\r\n");
	app_expect(s, "\r\n\r\n");
	assert_true(app_has(s->app,
		"X-Forwarded-For: 6.6.6.6, 198.51.100.7, 203.0.113.9\r\n"));
	assert_true(app_has(s->app, "X-Real-IP: 198.51.100.7\r\n"));
	assert_true(app_has(s->app, "X-Forwarded-Proto: https\r\n"));
	assert_true(app_has(s->app, "Forwarded: for=198.51.100.7;"));
	assert_false(app_has(s->app, "evil"));
	for (int i = 0; i < 2; i++)
		guest_close(&g[i]);
}

static void test_a_visitor_finds_a_tunnel_that_moves_to_another_worker(void **state)
{
	struct edge_site *s = *state;
	struct route *r = site_open_tunnel(s, "web");
	struct guest g, late;
	struct addr peer = s->peer;
	int ends[2];

	guest_come(&g, s, "web");
	route_ref(r);
	site_replace(s, r, site_new_tunnel("web", 1));
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	assert_int_equal(guest_read_answer(&g), 421);
	guest_close(&g);

	/* One that was on its way to the old one. */
	late = (struct guest){ .site = s };
	site_pair(ends);
	guest_begin(&late, s, ends[0], "web");
	site_settle(s);
	edge_serve_take(&s->workers[0], r, ends[1], &peer);
	assert_int_equal(guest_shake(&late), ERR_OK);
	get(&late, "web", "hello");
	guest_close(&late);
	route_unref(r);
}

static void test_hsts_can_be_switched_off(void **state)
{
	struct edge_site *s = *state;
	struct tunnel_route *t = site_new_tunnel("web", 0);
	struct guest g;

	t->has_no_hsts = true;
	site_publish(s, t);
	guest_come(&g, s, "web");
	get(&g, "web", "hello");
	assert_false(guest_has_header(&g, "Strict-Transport"));
	guest_close(&g);
}

/* ---- pages ---- */

/* The page has @title, and the id that the header has, too. */
static void expect_page(struct guest *g, unsigned status, const char *title)
{
	char *id;

	assert_int_equal(guest_read_answer(g), status);
	assert_non_null(strstr(g->body, title));
	assert_true(guest_has_header(g, "Cache-Control: no-store\r\n"));
	id = strstr(g->head, "X-Request-Id: ") + 14;
	id[16] = '\0';
	assert_non_null(strstr(g->body, id));
}

static void test_an_agent_that_is_away_has_a_page(void **state)
{
	struct edge_site *s = *state;
	struct guest g;

	s->is_away = true;
	site_open_tunnel(s, "web");
	guest_come(&g, s, "web");
	guest_ask(&g, "GET / HTTP/1.1", "web", "Accept: text/html, application/json\r\n");
	assert_int_equal(guest_read_head(&g), 503);
	assert_true(guest_has_header(&g, "Content-Type: text/html; charset=utf-8\r\n"));
	assert_true(guest_has_header(&g, "Retry-After: 10\r\n"));
	assert_true(guest_has_header(&g, "Strict-Transport-Security: "));
	site_settle(s);
	buf_reset(&g.in);

	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	expect_page(&g, 503, "web.example.com is offline.");
	assert_non_null(strstr(g.body, "http-equiv=\"refresh\" content=\"10\""));
	assert_non_null(strstr(g.body, "This page tries again every 10 seconds."));

	guest_ask(&g, "POST / HTTP/1.1", "web", "Content-Length: 2\r\n");
	guest_say_text(&g, "hi");
	expect_page(&g, 503, "web.example.com is offline.");
	assert_null(strstr(g.body, "refresh"));
	assert_null(strstr(g.body, "tries again"));

	guest_ask(&g, "GET / HTTP/1.1", "web", "Accept: application/json;q=0.9\r\n");
	expect_page(&g, 503, "{\"error\":\"web.example.com is offline.\",\"details\":");
	assert_non_null(strstr(g.body, "\"code\":\"agent_offline\""));
	assert_int_equal(s->apps_n, 0);

	guest_ask(&g, "HEAD / HTTP/1.1", "web", "");
	assert_int_equal(guest_read_head(&g), 503);
	site_settle(s);
	assert_int_equal(g.in.n, 0);
	guest_close(&g);
}

static void test_a_claim_that_fails_has_a_page(void **state)
{
	static const struct {
		enum err rc;
		unsigned status;
		const char *title;
	} rows[] = {
		{ ERR_TIMEOUT, 503, "web.example.com is offline." },
		{ ERR_CLOSED, 503, "web.example.com is offline." },
		{ ERR_RESET, 502, "The app behind web.example.com does not answer." },
		{ ERR_LIMIT, 503, "web.example.com is busy." },
	};
	struct edge_site *s = *state;
	struct guest g;

	site_open_tunnel(s, "web");
	guest_come(&g, s, "web");
	for (size_t i = 0; i < mem_count(rows); i++) {
		s->refusal = rows[i].rc;
		guest_ask(&g, "GET / HTTP/1.1", "web", "");
		expect_page(&g, rows[i].status, rows[i].title);
	}
	s->refusal = ERR_OK;
	get(&g, "web", "hello");
	guest_close(&g);
}

static void test_an_app_that_ends_without_an_answer_has_a_page(void **state)
{
	struct edge_site *s = *state;
	struct guest g;

	site_open_tunnel(s, "web");
	guest_come(&g, s, "web");
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	app_expect(s, "\r\n\r\n");
	app_close(s->app);
	expect_page(&g, 502, "The app behind web.example.com does not answer.");
	guest_close(&g);
}

static void test_tunnels_that_serve_nobody_have_pages(void **state)
{
	struct edge_site *s = *state;
	struct tunnel_route *t = site_new_tunnel("paused", 0);
	struct guest g;

	t->is_paused = true;
	site_publish(s, t);
	guest_come(&g, s, "paused");
	guest_ask(&g, "GET / HTTP/1.1", "paused", "");
	expect_page(&g, 503, "paused.example.com is paused.");
	guest_close(&g);

	for (int i = TUNNEL_RESTRICTED; i < TUNNEL_PUBLIC; i++) {
		t = site_new_tunnel(i == 0 ? "some" : "all", 0);
		t->access = (enum tunnel_access)i;
		site_publish(s, t);
		guest_come(&g, s, i == 0 ? "some" : "all");
		guest_ask(&g, "GET / HTTP/1.1", i == 0 ? "some" : "all", "");
		expect_page(&g, 503, "Sign-in is not available yet.");
		guest_close(&g);
	}
	assert_int_equal(s->apps_n, 0);
}

static void test_a_connection_is_for_one_tunnel(void **state)
{
	struct edge_site *s = *state;
	struct guest g;

	site_open_tunnel(s, "web");
	site_open_tunnel(s, "other");
	guest_come(&g, s, "web");
	guest_ask(&g, "GET / HTTP/1.1", "other", "");
	expect_page(&g, 421, "other.example.com needs a connection of its own.");
	assert_int_equal(guest_wait_end(&g), ERR_EOF);
	guest_close(&g);

	guest_come(&g, s, "web");
	guest_ask(&g, "GET / HTTP/1.1", "none", "");
	expect_page(&g, 404, "There is nothing at none.example.com.");
	get(&g, "web", "hello"); /* it goes on */
	guest_say_text(&g, "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n");
	expect_page(&g, 421, "example.com needs a connection of its own.");
	guest_close(&g);

	guest_come(&g, s, "web");
	guest_say_text(&g, "GET / HTTP/1.1\r\nHost: WEB.example.com.:443\r\n\r\n");
	app_expect(s, "Host: WEB.example.com.:443\r\n"); /* as it was */
	guest_close(&g);

	guest_come(&g, s, "web");
	guest_say_text(&g, "GET / HTTP/1.0\r\n\r\n");
	app_expect(s, "Host: web.example.com\r\n");
	guest_close(&g);

	guest_come(&g, s, "web");
	guest_say_text(&g, "GET / HTTP/1.1\r\nHost: web.example.com\r\nHost: b\r\n\r\n");
	assert_int_equal(guest_read_answer(&g), 400);
	guest_close(&g);
}

static void test_a_name_without_a_certificate_gets_an_alert(void **state)
{
	struct edge_site *s = *state;
	struct tunnel_route *t = site_new_tunnel("web", 1);
	struct guest g;

	str_copy(t->route.host, sizeof(t->route.host), "x.web." SITE_ROOT);
	str_copy(t->route.public_host, sizeof(t->route.public_host), t->route.host);
	site_publish(s, t);
	guest_connect(&g, s, 0, "x.web");
	assert_int_not_equal(guest_shake(&g), ERR_OK);
	guest_close(&g);
	site_settle(s);
	assert_int_equal(s->workers[1].stats.unknown, 1);
	assert_int_equal(s->workers[1].stats.visitors, 0);
}

/* ---- changes of a tunnel ---- */

static void test_access_is_decided_for_each_request(void **state)
{
	struct edge_site *s = *state;
	struct route *r = site_open_tunnel(s, "web");
	struct tunnel_route *t = site_new_tunnel("web", 0);
	struct guest g;

	guest_come(&g, s, "web");
	get(&g, "web", "hello");
	t->access = TUNNEL_AUTHENTICATED;
	r = site_replace(s, r, t);
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	expect_page(&g, 503, "Sign-in is not available yet.");
	site_close_tunnel(s, r, false);
	site_settle(s);
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	expect_page(&g, 404, "There is nothing at web.example.com.");
	guest_close(&g);
}

static void test_visitors_are_cut_with_their_owner(void **state)
{
	struct edge_site *s = *state;
	struct guest busy, idle;

	site_open_tunnel(s, "web");
	guest_come(&idle, s, "web");
	guest_come(&busy, s, "web");
	guest_ask(&busy, "GET / HTTP/1.1", "web", "");
	app_expect(s, "\r\n\r\n");
	assert_true(data_worker_cut(&s->workers[0], "tunnel web"));
	guest_wait_end(&idle);
	guest_wait_end(&busy);
	site_until(s, s->app->stream == NULL);
	guest_close(&idle);
	guest_close(&busy);
}

static void test_a_worker_that_ends_waits_for_answers(void **state)
{
	struct edge_site *s = *state;
	struct guest g;

	site_open_tunnel(s, "web");
	guest_come(&g, s, "web");
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	app_expect(s, "\r\n\r\n");
	data_worker_end(&s->workers[0], 60000);
	site_settle(s);
	assert_int_equal(s->workers[0].state, DATA_DRAINING);
	app_say_text(s->app, OK "Content-Length: 2\r\n\r\nhi");
	assert_int_equal(guest_read_answer(&g), 200);
	guest_close(&g);
	site_until(s, s->workers[0].state == DATA_ENDED);
}

/* ---- limits ---- */

static void test_requests_above_the_rate_are_refused(void **state)
{
	struct edge_site *s = *state;
	struct tunnel_route *t = site_new_tunnel("web", 0);
	struct guest g;

	t->limits.client_requests_per_s = 1;
	site_publish(s, t);
	guest_come(&g, s, "web");
	for (int i = 0; i < TUNNEL_BURST_S; i++)
		get(&g, "web", "hello");
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	expect_page(&g, 429, "Too many requests to web.example.com.");
	assert_non_null(strstr(g.body, "in 1 second."));
	site_pass(s, 1000);
	get(&g, "web", "hello");
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	assert_int_equal(guest_read_answer(&g), 429);
	assert_true(guest_has_header(&g, "Retry-After: 1\r\n"));
	guest_close(&g);
}

static void test_connections_above_the_limit_are_refused(void **state)
{
	struct edge_site *s = *state;
	struct tunnel_route *t = site_new_tunnel("web", 0);
	struct guest g[3];

	t->limits.client_connections = 1;
	site_publish(s, t);
	guest_come(&g[0], s, "web");
	guest_come(&g[1], s, "web");
	guest_connect(&g[2], s, 0, "web"); /* above twice the limit: closed at once */
	assert_int_not_equal(guest_shake(&g[2]), ERR_OK);
	get(&g[0], "web", "hello");
	guest_ask(&g[1], "GET / HTTP/1.1", "web", "");
	expect_page(&g[1], 429, "Too many requests to web.example.com.");
	assert_int_equal(guest_wait_end(&g[1]), ERR_EOF);
	for (int i = 0; i < 3; i++)
		guest_close(&g[i]);
	site_settle(s);
	guest_come(&g[0], s, "web"); /* those that have gone do not count */
	get(&g[0], "web", "hello");
	guest_close(&g[0]);
}

static void test_bodies_above_the_limit_are_refused(void **state)
{
	struct edge_site *s = *state;
	struct tunnel_route *t = site_new_tunnel("web", 0);
	struct guest g;

	t->limits.body_max = 5;
	site_publish(s, t);
	guest_come(&g, s, "web");
	guest_ask(&g, "POST / HTTP/1.1", "web", "Content-Length: 6\r\n");
	guest_say_text(&g, "abcdef");
	expect_page(&g, 413, "The upload is too large for web.example.com.");
	assert_non_null(strstr(g.body, "The limit is 5 bytes."));
	assert_int_equal(s->apps_n, 0);
	guest_ask(&g, "POST / HTTP/1.1", "web", "Transfer-Encoding: chunked\r\n");
	guest_say_text(&g, "3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
	assert_int_equal(guest_read_answer(&g), 413);
	site_until(s, s->app->stream == NULL);
	guest_close(&g);
}

static void test_an_app_that_is_silent_times_out(void **state)
{
	struct edge_site *s = *state;
	struct tunnel_route *t = site_new_tunnel("web", 0);
	struct guest g;

	t->limits.idle_ms = 30000;
	site_publish(s, t);
	guest_come(&g, s, "web");
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	app_expect(s, "\r\n\r\n");
	site_pass(s, 30000);
	expect_page(&g, 504, "The app behind web.example.com does not answer.");
	guest_close(&g);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, site_set_up, site_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_visitor_reaches_the_app),
		TEST(test_a_visitor_is_moved_to_the_worker_of_the_tunnel),
		TEST(test_the_app_is_told_of_the_visitor_by_the_edge_alone),
		TEST(test_a_trusted_proxy_speaks_for_its_clients),
		TEST(test_a_visitor_finds_a_tunnel_that_moves_to_another_worker),
		TEST(test_hsts_can_be_switched_off),
		TEST(test_an_agent_that_is_away_has_a_page),
		TEST(test_a_claim_that_fails_has_a_page),
		TEST(test_an_app_that_ends_without_an_answer_has_a_page),
		TEST(test_tunnels_that_serve_nobody_have_pages),
		TEST(test_a_connection_is_for_one_tunnel),
		TEST(test_a_name_without_a_certificate_gets_an_alert),
		TEST(test_access_is_decided_for_each_request),
		TEST(test_visitors_are_cut_with_their_owner),
		TEST(test_a_worker_that_ends_waits_for_answers),
		TEST(test_requests_above_the_rate_are_refused),
		TEST(test_connections_above_the_limit_are_refused),
		TEST(test_bodies_above_the_limit_are_refused),
		TEST(test_an_app_that_is_silent_times_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
