/* Visitors, from what they say first to their end;
 * on real connections, in the test's time. */
#include "serve/site_test.h"

#include "serve/lease/reverse_pool.h"
#include "tunnel/portal/hostname_hash.h"
#include "wire/hello.h"

static const uint8_t alert[] = { 21, 3, 3, 0, 2, 2, 112 }; /* unrecognized_name */

static struct data_stats *figures(struct site *s)
{
	return &s->workers[0].stats;
}

/* ---- the hello ---- */

static void test_a_hello_may_come_byte_by_byte(void **state)
{
	struct site *s = *state;
	struct guest g;
	struct buf hello;
	int fd;

	buf_init(&hello, 1024);
	site_put_hello(&hello, "demo." SITE_ROOT);
	site_open_lease(s, "demo", 0);
	guest_open_session(&g, s, 0, "demo");
	fd = site_visit(s, 0);
	for (size_t i = 0; i < hello.n; i++) {
		site_turn(s);
		assert_int_equal(g.in.n, 0);
		visitor_say(fd, buf_span(&hello).p + i, 1);
	}
	guest_expect_hello(&g, &hello);
	close(fd);
	guest_close(&g);
	buf_fini(&hello);
}

/* The same message in records of so many bytes. */
static void split(const struct buf *hello, size_t first, size_t each, struct buf *out)
{
	struct span left = span_of(buf_span(hello).p + 5, hello->n - 5);

	for (size_t n = first; left.n > 0; n = each) {
		uint8_t head[5] = { 22, 3, 1, 0, 0 };

		n = n < left.n ? n : left.n;
		head[4] = (uint8_t)n;
		assert_int_equal(buf_put(out, head, 5), ERR_OK);
		assert_int_equal(buf_put(out, left.p, n), ERR_OK);
		left = span_of(left.p + n, left.n - n);
	}
}

/* One byte in each but the first, as many records as there may be, and each in two
 * pieces: the reader has to look again for every one. */
static void test_a_hello_may_lie_in_as_many_records_as_are_allowed(void **state)
{
	struct site *s = *state;
	struct guest g;
	struct buf hello, records;
	int fd;

	buf_init(&hello, 1024);
	buf_init(&records, 4096);
	site_put_hello(&hello, "demo." SITE_ROOT);
	split(&hello, hello.n - 5 - (HELLO_RECORDS_MAX - 1), 1, &records);
	site_open_lease(s, "demo", 0);
	guest_open_session(&g, s, 0, "demo");
	fd = site_visit(s, 0);
	for (size_t i = 0; i < records.n; i += 3) {
		visitor_say(fd, buf_span(&records).p + i,
			records.n - i < 3 ? records.n - i : 3);
		site_turn(s);
	}
	guest_expect_hello(&g, &records);
	close(fd);
	guest_close(&g);
	buf_fini(&records);
	buf_fini(&hello);
}

static void test_a_hello_in_too_many_records_ends_at_once(void **state)
{
	struct site *s = *state;
	struct buf hello, records;
	int fd;

	buf_init(&hello, 1024);
	buf_init(&records, 4096);
	site_put_hello(&hello, "demo." SITE_ROOT);
	split(&hello, 1, 1, &records);
	site_open_lease(s, "demo", 0);
	fd = site_visit(s, 0);
	visitor_say(fd, buf_span(&records).p, records.n);
	visitor_expect_end(s, fd);
	assert_int_equal(figures(s)->unknown, 1);
	buf_fini(&records);
	buf_fini(&hello);
}

static void test_a_hello_has_two_seconds_however_it_comes(void **state)
{
	struct site *s = *state;
	int silent = site_visit(s, 0), slow = site_visit(s, 0), later;

	site_pass(s, 1000);
	later = site_visit(s, 0);
	for (int i = 0; i < 9; i++) {
		visitor_say(slow, &(uint8_t[]){ 22, 3, 1, 0, 200, 1, 0, 0, 196 }[i], 1);
		site_pass(s, 111);
	}
	assert_false(visitor_has_ended(silent));
	assert_false(visitor_has_ended(slow));
	site_pass(s, 2);
	visitor_expect_end(s, silent);
	visitor_expect_end(s, slow);
	assert_false(visitor_has_ended(later));
	site_pass(s, 1000);
	visitor_expect_end(s, later);
}

static void test_a_visitor_without_tls_is_closed(void **state)
{
	static const char *const texts[] = {
		"GET / HTTP/1.1\r\nHost: demo\r\n\r\n",
		"\x80\x2e\x01\x03\x01",
		"\x15\x03\x03\x01\x02",
		"\x16\x03\x01\x01\x01\x02",
	};
	struct site *s = *state;

	site_open_lease(s, "demo", 0);
	for (size_t i = 0; i < mem_count(texts); i++) {
		int fd = site_visit(s, 0);

		visitor_say(fd, texts[i], strlen(texts[i]));
		visitor_expect_end(s, fd);
	}
	assert_int_equal(figures(s)->unknown, mem_count(texts));
}

static void test_a_visitor_that_leaves_in_the_middle_of_a_hello_is_forgotten(void **state)
{
	struct site *s = *state;
	int half = site_visit(s, 0), gone = site_visit(s, 0);

	visitor_say(half, "\x16\x03\x01\x00\x80\x01", 6);
	site_settle(s);
	assert_int_equal(s->workers[0].pending_n, 2);
	assert_int_equal(shutdown(half, SHUT_WR), 0);
	close(gone);
	site_until(s, s->workers[0].pending_n == 0);
	close(half);
}

/* ---- where it leads ---- */

static void expect_alert(struct site *s, const char *host)
{
	int fd = site_visit_host(s, 0, host);

	visitor_expect(s, fd, alert, sizeof(alert));
	visitor_expect_end(s, fd);
}

static void test_an_unknown_name_gets_an_alert(void **state)
{
	static const char *const hosts[] = { "other." SITE_ROOT, "demo.example.com",
		"demo", "a.demo." SITE_ROOT, "*." SITE_ROOT, "relay.example.org", NULL };
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);

	for (size_t i = 0; i < mem_count(hosts); i++)
		expect_alert(s, hosts[i]);
	site_close_lease(s, r, false);
	expect_alert(s, "demo." SITE_ROOT);
	assert_int_equal(figures(s)->unknown, mem_count(hosts) + 1);
}

static void test_a_visitor_that_stays_after_an_alert_is_closed(void **state)
{
	struct site *s = *state;
	int fd = site_visit_host(s, 0, "other." SITE_ROOT);

	visitor_expect(s, fd, alert, sizeof(alert));
	visitor_say(fd, "more", 4);
	site_pass(s, 1999);
	assert_int_equal(s->workers[0].pending_n, 1);
	site_pass(s, 2);
	assert_int_equal(s->workers[0].pending_n, 0);
	close(fd);
}

static void test_a_visitor_that_sends_more_after_an_alert_is_cut(void **state)
{
	static const uint8_t more[65536];
	struct site *s = *state;
	int fd = site_visit_host(s, 0, "other." SITE_ROOT);
	size_t sent = 0;
	bool is_cut = false;

	visitor_expect(s, fd, alert, sizeof(alert));
	while (sent < (size_t)16 << 20 && !is_cut) {
		ssize_t n = send(fd, more, sizeof(more), MSG_DONTWAIT | MSG_NOSIGNAL);

		is_cut = n < 0 && errno != EAGAIN;
		sent += n > 0 ? (size_t)n : 0;
		site_turn(s);
	}
	assert_true(is_cut);
	assert_int_equal(s->workers[0].pending_n, 0);
	close(fd);
}

static void test_the_roots_own_name_is_the_api(void **state)
{
	struct site *s = *state;
	char ip[ADDR_TEXT_MAX];
	struct guest g;

	guest_open(&g, s, site_visit(s, 0)); /* asks for the root, as TLS clients do */
	guest_say_text(&g, "GET /healthz HTTP/1.1\r\nHost: " SITE_ROOT "\r\n\r\n");
	site_until(s, s->call != NULL);
	assert_string_equal(s->call->target, "/healthz");
	assert_string_equal(addr_print_ip(&s->call->client, ip), "203.0.113.9");
	s->call->status = 204;
	lease_service_answer(&s->workers[0], s->call);
	s->call = NULL;
	assert_int_equal(guest_read_answer(&g), 204);
	guest_close(&g);
}

static void test_patterns_have_one_label_and_hosts_go_first(void **state)
{
	struct site *s = *state;
	struct route *any = site_open_lease(s, "any", 0), *one;
	struct guest g[2];
	int fds[2];

	route_ref(any);
	route_remove(s->shared.routes, any);
	str_copy(any->host, sizeof(any->host), "*." SITE_ROOT);
	route_put(s->shared.routes, any);
	route_unref(any);
	one = site_open_lease(s, "one", 0);
	guest_open_session(&g[0], s, 0, "any");
	guest_open_session(&g[1], s, 0, "one");
	fds[0] = site_visit_host(s, 0, "what." SITE_ROOT);
	guest_expect_visitor(&g[0], "what." SITE_ROOT);
	fds[1] = site_visit_host(s, 0, "one." SITE_ROOT);
	guest_expect_visitor(&g[1], "one." SITE_ROOT);
	expect_alert(s, "a.b." SITE_ROOT);
	assert_int_equal(one->visitors, 1);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		guest_close(&g[i]);
	}
}

static void test_a_route_host_and_the_public_name_lead_to_one_lease(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);
	struct guest g[2];
	int fds[2];

	route_ref(r);
	route_remove(s->shared.routes, r);
	str_copy(r->host, sizeof(r->host), "ech-abc." SITE_ROOT);
	assert_int_equal(hostname_hash(span_str(r->public_host), r->alias, NULL), ERR_OK);
	route_put(s->shared.routes, r);
	route_unref(r);
	guest_open_session(&g[0], s, 0, "demo");
	guest_open_session(&g[1], s, 0, "demo");
	fds[0] = site_visit_host(s, 0, "ech-abc." SITE_ROOT);
	guest_expect_visitor(&g[0], "ech-abc." SITE_ROOT);
	fds[1] = site_visit_host(s, 0, "Demo." SITE_ROOT ".");
	guest_expect_visitor(&g[1], "Demo." SITE_ROOT ".");
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		guest_close(&g[i]);
	}
}

static void test_a_route_that_is_not_live_serves_no_visitor(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);
	int fd;

	atomic_store(&r->is_routable, false);
	fd = site_visit_host(s, 0, "demo." SITE_ROOT);
	visitor_expect_end(s, fd);
	atomic_store(&r->is_routable, true);
	site_pass(s, SITE_TTL_MS);
	fd = site_visit_host(s, 0, "demo." SITE_ROOT);
	visitor_expect_end(s, fd);
	assert_int_equal(figures(s)->unserved, 2);
}

/* ---- waiting ---- */

static void test_a_visitor_waits_ten_seconds_for_a_session(void **state)
{
	struct site *s = *state;
	struct guest g;
	int early, late;

	site_open_lease(s, "demo", 0);
	early = site_visit_host(s, 0, "demo." SITE_ROOT);
	site_pass(s, 5000);
	late = site_visit_host(s, 0, "demo." SITE_ROOT);
	site_pass(s, 4999);
	assert_false(visitor_has_ended(early));
	site_pass(s, 2);
	visitor_expect_end(s, early);
	assert_int_equal(figures(s)->unserved, 1);
	guest_open_session(&g, s, 0, "demo");
	guest_expect_visitor(&g, "demo." SITE_ROOT);
	assert_int_equal(figures(s)->visitors, 1);
	close(late);
	guest_close(&g);
}

static void test_more_than_may_wait_are_sent_away(void **state)
{
	struct site *s = *state;
	struct data_worker *d = &s->workers[0];
	struct route *r = site_open_lease(s, "demo", 0);
	static struct claim claims[REVERSE_POOL_CLAIMS];
	int fd;

	memset(claims, 0, sizeof(claims));
	for (size_t i = 0; i < mem_count(claims); i++)
		claim_open(served_get(d, r)->carrier, &claims[i]);
	fd = site_visit_host(s, 0, "demo." SITE_ROOT);
	visitor_expect_end(s, fd);
	assert_int_equal(figures(s)->unserved, 1);
	for (size_t i = 0; i < mem_count(claims); i++)
		claim_cancel(&claims[i]);
}

static void test_a_visitor_that_leaves_while_it_waits_takes_no_session(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);
	struct data_worker *d = &s->workers[0];
	struct guest g;
	int fd = site_visit_host(s, 0, "demo." SITE_ROOT);

	site_until(s, !list_is_empty(&d->claims));
	close(fd);
	site_until(s, list_is_empty(&d->claims));
	guest_open_session(&g, s, 0, "demo");
	assert_int_equal(r->present, 1);
	assert_int_equal(g.in.n, 0);
	guest_close(&g);
}

static void test_a_dead_session_is_skipped(void **state)
{
	struct site *s = *state;
	struct guest g[3];
	int fd;

	site_open_lease(s, "demo", 0);
	for (int i = 0; i < 3; i++)
		guest_open_session(&g[i], s, 0, "demo");
	stream_abort(g[0].stream); /* and the relay has not looked yet */
	stream_close(g[1].stream);
	g[0].stream = g[1].stream = NULL;
	fd = site_visit_host(s, 0, "demo." SITE_ROOT);
	guest_expect_visitor(&g[2], "demo." SITE_ROOT);
	close(fd);
	for (int i = 0; i < 3; i++)
		guest_close(&g[i]);
}

static void test_a_new_route_serves_visitors_that_waited_at_the_old_one(void **state)
{
	struct site *s = *state;
	struct route *old = site_open_lease(s, "demo", 0);
	struct guest g;
	int fd = site_visit_host(s, 0, "demo." SITE_ROOT);

	site_until(s, !list_is_empty(&s->workers[0].claims));
	site_put_route(s, "demo", 0);
	site_close_lease(s, old, false);
	site_settle(s);
	assert_false(visitor_has_ended(fd));
	guest_open_session(&g, s, 0, "demo");
	guest_expect_visitor(&g, "demo." SITE_ROOT);
	close(fd);
	guest_close(&g);
}

static void test_a_visitor_that_waits_at_a_route_that_ends_is_closed(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);
	int fd = site_visit_host(s, 0, "demo." SITE_ROOT);

	site_until(s, !list_is_empty(&s->workers[0].claims));
	site_close_lease(s, r, false);
	visitor_expect_end(s, fd);
	assert_int_equal(figures(s)->unserved, 1);
}

/* ---- the bridge ---- */

/* Joins a visitor and a session. */
static int join(struct site *s, struct guest *g)
{
	int fd;

	guest_open_session(g, s, 0, "demo");
	fd = site_visit_host(s, 0, "demo." SITE_ROOT);
	guest_expect_visitor(g, "demo." SITE_ROOT);
	return fd;
}

static void test_either_side_may_end_first(void **state)
{
	struct site *s = *state;
	struct guest g;
	int fd;

	site_open_lease(s, "demo", 0);
	fd = join(s, &g);
	visitor_say(fd, "last words", 10);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	guest_expect_text(&g, "last words");
	guest_expect_end(&g, ERR_EOF);
	guest_say_text(&g, "an answer");
	visitor_expect(s, fd, "an answer", 9);
	guest_close(&g);
	visitor_expect_end(s, fd);

	fd = join(s, &g);
	guest_say_text(&g, "that is all");
	site_until(s, stream_finish(g.stream) == ERR_OK);
	visitor_expect(s, fd, "that is all", 11);
	site_until(s, visitor_has_ended(fd));
	visitor_say(fd, "I go on", 7);
	guest_expect_text(&g, "I go on");
	close(fd);
	guest_expect_end(&g, ERR_EOF);
	guest_close(&g);
	site_until(s, figures(s)->bridges == 0);
	assert_int_equal(figures(s)->visitors, 2);
}

static void test_bytes_are_counted_both_ways(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);
	struct guest g;
	int fd = join(s, &g);
	uint64_t hello = figures(s)->bytes_up;

	visitor_say(fd, "12345", 5);
	guest_expect_text(&g, "12345");
	guest_say_text(&g, "123");
	visitor_expect(s, fd, "123", 3);
	assert_true(hello > 50);
	assert_int_equal(figures(s)->bytes_up, hello + 5);
	assert_int_equal(figures(s)->bytes_down, 3);
	assert_int_equal(r->bytes, hello + 8);
	close(fd);
	guest_close(&g);
}

static void test_an_end_that_disappears_ends_the_other(void **state)
{
	struct linger at_once = { .l_onoff = 1 };
	struct site *s = *state;
	struct guest g;
	int fd;

	site_open_lease(s, "demo", 0);
	fd = join(s, &g);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)),
		0);
	close(fd);
	site_until(s, g.rc != ERR_OK);
	guest_close(&g);

	fd = join(s, &g);
	stream_abort(g.stream);
	g.stream = NULL;
	visitor_expect_end(s, fd);
	guest_close(&g);
	site_until(s, figures(s)->bridges == 0);
}

static void test_a_bridge_outlives_its_lease_unless_it_is_cut(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);
	struct guest g, idle;
	int fd = join(s, &g);

	guest_open_session(&idle, s, 0, "demo");
	site_close_lease(s, r, false);
	guest_expect_end(&idle, ERR_EOF);
	guest_close(&idle);
	guest_say_text(&g, "goes on");
	visitor_expect(s, fd, "goes on", 7);
	close(fd);
	guest_close(&g);

	r = site_open_lease(s, "demo", 0);
	fd = join(s, &g);
	site_close_lease(s, r, true);
	visitor_expect_end(s, fd);
	guest_close(&g);
}

/* Else a banned agent would only have to register again while its visitors are
 * connected. */
static void test_a_cut_reaches_bridges_of_earlier_registrations(void **state)
{
	struct site *s = *state;
	struct route *old = site_open_lease(s, "demo", 0), *r;
	struct guest g, other;
	int fd = join(s, &g), stays;

	site_open_lease(s, "other", 0);
	guest_open_session(&other, s, 0, "other");
	stays = site_visit_host(s, 0, "other." SITE_ROOT);
	guest_expect_visitor(&other, "other." SITE_ROOT);
	site_close_lease(s, old, false);
	r = site_open_lease(s, "demo", 0);
	site_close_lease(s, r, true);
	visitor_expect_end(s, fd);
	guest_say_text(&other, "stays");
	visitor_expect(s, stays, "stays", 5);
	close(stays);
	guest_close(&g);
	guest_close(&other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, site_set_up, site_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_hello_may_come_byte_by_byte),
		TEST(test_a_hello_may_lie_in_as_many_records_as_are_allowed),
		TEST(test_a_hello_in_too_many_records_ends_at_once),
		TEST(test_a_hello_has_two_seconds_however_it_comes),
		TEST(test_a_visitor_without_tls_is_closed),
		TEST(test_a_visitor_that_leaves_in_the_middle_of_a_hello_is_forgotten),
		TEST(test_an_unknown_name_gets_an_alert),
		TEST(test_a_visitor_that_stays_after_an_alert_is_closed),
		TEST(test_a_visitor_that_sends_more_after_an_alert_is_cut),
		TEST(test_the_roots_own_name_is_the_api),
		TEST(test_patterns_have_one_label_and_hosts_go_first),
		TEST(test_a_route_host_and_the_public_name_lead_to_one_lease),
		TEST(test_a_route_that_is_not_live_serves_no_visitor),
		TEST(test_a_visitor_waits_ten_seconds_for_a_session),
		TEST(test_more_than_may_wait_are_sent_away),
		TEST(test_a_visitor_that_leaves_while_it_waits_takes_no_session),
		TEST(test_a_dead_session_is_skipped),
		TEST(test_a_new_route_serves_visitors_that_waited_at_the_old_one),
		TEST(test_a_visitor_that_waits_at_a_route_that_ends_is_closed),
		TEST(test_either_side_may_end_first),
		TEST(test_bytes_are_counted_both_ways),
		TEST(test_an_end_that_disappears_ends_the_other),
		TEST(test_a_bridge_outlives_its_lease_unless_it_is_cut),
		TEST(test_a_cut_reaches_bridges_of_earlier_registrations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
