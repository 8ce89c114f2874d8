/* Data workers: what they pass to each other, their settings, and how they end. */
#include "serve/site_test.h"

/* Joins a visitor at one worker and a session that arrived at another. */
static int join(struct site *s, struct guest *g, unsigned visitors, unsigned sessions)
{
	int fd;

	guest_open_session(g, s, sessions, "demo");
	fd = site_visit_host(s, visitors, "demo." SITE_ROOT);
	guest_expect_visitor(g, "demo." SITE_ROOT);
	return fd;
}

/* ---- from one worker to another ---- */

static void test_visitors_and_sessions_go_to_the_lease(void **state)
{
	struct site *s = *state;
	struct guest g;

	site_open_lease(s, "demo", 1);
	for (unsigned i = 0; i < 4; i++) {
		int fd = join(s, &g, i % 2, i / 2);

		assert_int_equal(s->workers[1].stats.visitors, i + 1);
		guest_say_text(&g, "here");
		visitor_expect(s, fd, "here", 4);
		visitor_say(fd, "there", 5);
		guest_expect_text(&g, "there");
		close(fd);
		guest_expect_end(&g, ERR_EOF);
		guest_close(&g);
	}
	assert_int_equal(s->workers[0].stats.visitors, 0);
	assert_int_equal(s->workers[0].stats.sessions, 0);
}

/* Data that it sends during the move, before the new worker reads, is not lost. */
static void test_a_visitor_may_send_while_it_is_handed_over(void **state)
{
	struct site *s = *state;
	struct loop *other;
	struct guest g;
	int fd;

	site_open_lease(s, "demo", 1);
	guest_open_session(&g, s, 0, "demo");
	fd = site_visit_host(s, 0, "demo." SITE_ROOT);
	other = s->workers[0].worker.loop;
	while (s->workers[0].pending_n == 0)
		loop_turn(other);
	while (s->workers[0].pending_n > 0)
		loop_turn(other); /* and the letter lies at the other's */
	visitor_say(fd, "more", 4);
	guest_expect_visitor(&g, "demo." SITE_ROOT);
	guest_expect_text(&g, "more");
	close(fd);
	guest_close(&g);
}

static void test_a_visitor_that_left_on_the_way_ends_its_session(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 1);
	struct guest g;
	int fd;

	guest_open_session(&g, s, 0, "demo");
	fd = site_visit_host(s, 0, "demo." SITE_ROOT);
	while (s->workers[0].pending_n == 0)
		loop_turn(s->workers[0].worker.loop);
	while (s->workers[0].pending_n > 0)
		loop_turn(s->workers[0].worker.loop);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER,
				 &(struct linger){ .l_onoff = 1 }, sizeof(struct linger)),
		0);
	close(fd);
	site_until(s, g.rc != ERR_OK);
	assert_int_equal(r->present, 0);
	site_until(s, s->workers[1].stats.bridges == 0);
	guest_close(&g);
}

/* Its route was found just before; the letter of its end was faster. */
static void test_a_lease_that_is_replaced_meanwhile_is_not_missed(void **state)
{
	struct site *s = *state;
	struct route *old = route_ref(site_open_lease(s, "demo", 1));
	struct guest g;
	struct buf hello;
	int ends[2];

	buf_init(&hello, 1024);
	site_put_hello(&hello, "demo." SITE_ROOT);
	site_pair(ends);
	visitor_say(ends[0], buf_span(&hello).p, hello.n);
	site_put_route(s, "demo", 1);
	site_close_lease(s, old, false);
	data_worker_pass_visitor_take(&s->workers[0], old, ends[1], &s->peer);
	route_unref(old);
	site_settle(s);
	assert_false(visitor_has_ended(ends[0]));
	guest_open_session(&g, s, 0, "demo");
	guest_expect_hello(&g, &hello);
	close(ends[0]);
	guest_close(&g);
	buf_fini(&hello);
}

static void test_a_session_for_a_lease_that_ended_meanwhile_is_closed(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 1);
	struct guest g;

	guest_come(&g, s, 0);
	guest_ask_session(&g, "demo");
	while (s->workers[0].worker.loop != NULL && g.in.n == 0) {
		loop_turn(s->workers[0].worker.loop);
		loop_turn(s->loop);
	}
	site_close_lease(s, r, false);
	assert_int_equal(guest_read_answer(&g), 200);
	guest_expect_end(&g, ERR_EOF);
	guest_close(&g);
}

static void test_a_session_may_arrive_before_its_route_is_opened(void **state)
{
	struct site *s = *state;
	struct route *r = site_put_route(s, "demo", 1);
	struct guest g;
	int fd;

	guest_open_session(&g, s, 0, "demo");
	assert_int_equal(r->present, 1);
	assert_true(data_worker_open_route(&s->workers[1], r, -1, 1));
	site_settle(s);
	assert_int_equal(r->present, 1);
	fd = site_visit_host(s, 1, "demo." SITE_ROOT);
	guest_expect_visitor(&g, "demo." SITE_ROOT);
	close(fd);
	guest_close(&g);
}

static void test_a_route_without_a_worker_serves_no_visitor(void **state)
{
	struct site *s = *state;
	struct route *r = site_put_route(s, "demo", 0);
	struct guest g;
	int fd;

	r->worker = SITE_WORKERS;
	fd = site_visit_host(s, 0, "demo." SITE_ROOT);
	visitor_expect_end(s, fd);
	guest_come(&g, s, 0);
	guest_ask_session(&g, "demo");
	assert_int_equal(guest_read_answer(&g), 200);
	guest_expect_end(&g, ERR_EOF);
	guest_close(&g);
}

/* ---- what they are told ---- */

static void ask(struct guest *g, const char *head)
{
	guest_say_text(g, head);
	guest_say_text(g, "Host: " SITE_ROOT "\r\n\r\n");
}

static void test_an_answer_finds_its_request(void **state)
{
	struct site *s = *state;
	struct guest g;

	guest_come(&g, s, 1);
	for (unsigned i = 0; i < 3; i++) {
		ask(&g, "GET /app HTTP/1.1\r\n");
		site_until(s, s->call != NULL);
		s->call->status = 200 + i;
		lease_service_answer(s->call->sender, s->call);
		s->call = NULL;
		assert_int_equal(guest_read_answer(&g), 200 + i);
	}
	guest_close(&g);
}

static void test_an_answer_to_a_closed_connection_is_dropped(void **state)
{
	struct site *s = *state;
	struct guest g;

	guest_come(&g, s, 1);
	ask(&g, "GET /app HTTP/1.1\r\n");
	site_until(s, s->call != NULL);
	stream_abort(g.stream);
	g.stream = NULL;
	guest_close(&g);
	site_settle(s);
	s->call->status = 200;
	lease_service_answer(s->call->sender, s->call);
	s->call = NULL;
	site_settle(s);
	assert_int_equal(lease_service_of(&s->workers[1])->api.calls, 0);
}

static void test_questions_that_wait_have_a_bound(void **state)
{
	struct site *s = *state;
	unsigned *calls = &lease_service_of(&s->workers[1])->api.calls;
	struct guest g, other;

	*calls = API_CALLS_MAX - 1; /* others' */
	guest_come(&g, s, 1);
	ask(&g, "GET /app HTTP/1.1\r\n");
	site_until(s, s->call != NULL);
	guest_come(&other, s, 1);
	ask(&other, "GET /app HTTP/1.1\r\n");
	assert_int_equal(guest_read_answer(&other), 503);
	assert_int_equal(s->calls, 1);
	guest_close(&other);

	s->call->status = 200;
	lease_service_answer(s->call->sender, s->call);
	s->call = NULL;
	assert_int_equal(guest_read_answer(&g), 200);
	assert_int_equal(*calls, API_CALLS_MAX - 1);
	guest_close(&g);
	*calls = 0;
}

static void test_a_shared_text_is_released(void **state)
{
	struct site *s = *state;
	struct api_text *text = api_text_new(16);
	struct guest g;

	assert_non_null(text);
	buf_put_str(&text->text, "for all");
	guest_come(&g, s, 1);
	ask(&g, "GET /app HTTP/1.1\r\n");
	site_until(s, s->call != NULL);
	s->call->status = 200;
	s->call->text = api_text_ref(text);
	lease_service_answer(s->call->sender, s->call);
	s->call = NULL;
	assert_int_equal(guest_read_answer(&g), 200);
	site_until(s, atomic_load(&text->refs) == 1);
	guest_close(&g);
	api_text_unref(text);
}

/* As the site's, with @banned. */
static struct snapshot *snapshot_with_ban(struct site *s, const char *banned)
{
	struct lease_snapshot *next = lease_snapshot_new();
	struct prefix p;

	assert_non_null(next);
	next->base.tls = tls_context_ref(s->snapshot->tls);
	next->keyless = keyless_ref(s->settings->keyless);
	assert_int_equal(prefix_parse(span_str(banned), &p), ERR_OK);
	assert_int_equal(prefix_set_add(&next->base.banned, &p), ERR_OK);
	return &next->base;
}

static void test_a_new_snapshot_counts_at_once(void **state)
{
	struct site *s = *state;
	struct snapshot *v = snapshot_with_ban(s, "203.0.113.0/24");
	struct guest g;

	site_open_lease(s, "demo", 0);
	guest_come(&g, s, 0);
	assert_true(data_worker_set_snapshot(&s->workers[0], v));
	snapshot_unref(v);
	site_settle(s);
	guest_ask_session(&g, "demo");
	assert_int_equal(guest_read_answer(&g), 403);
	guest_close(&g);
}

/* What a banned address has already goes, also of a lease that was registered
 * elsewhere. */
static void test_a_ban_ends_sessions_and_their_visitors(void **state)
{
	struct site *s = *state;
	struct snapshot *v = snapshot_with_ban(s, "203.0.113.9");
	struct guest idle, served, other, stays;
	int cut, kept;

	site_open_lease(s, "demo", 0);
	cut = join(s, &served, 0, 0);
	guest_open_session(&idle, s, 0, "demo");
	assert_int_equal(addr_from_literal("203.0.113.10", 0, &s->peer), ERR_OK);
	site_open_lease(s, "other", 0);
	guest_open_session(&other, s, 0, "other");
	kept = site_visit_host(s, 0, "other." SITE_ROOT);
	guest_expect_visitor(&other, "other." SITE_ROOT);
	guest_open_session(&stays, s, 0, "demo");
	assert_true(data_worker_set_snapshot(&s->workers[0], v));
	snapshot_unref(v);
	site_until(s, idle.rc != ERR_OK && served.rc != ERR_OK);
	visitor_expect_end(s, cut);
	guest_say_text(&other, "stays");
	visitor_expect(s, kept, "stays", 5);
	assert_int_equal(s->workers[0].stats.sessions, 1);
	close(kept);
	guest_close(&idle);
	guest_close(&served);
	guest_close(&other);
	guest_close(&stays);
}

static void test_a_rate_holds_for_bridges_that_run(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);
	static uint8_t bytes[4096];
	struct guest g;
	int fd = join(s, &g, 0, 0);

	assert_true(data_worker_set_rate(&s->workers[0], r->owner, 1000));
	site_settle(s);
	visitor_say(fd, bytes, sizeof(bytes));
	site_settle(s);
	assert_int_equal(g.in.n, 1000); /* a burst of a second's */
	site_pass(s, 1000);
	site_settle(s);
	assert_in_range(g.in.n, 1900, 2000);
	assert_true(data_worker_set_rate(&s->workers[0], r->owner, 0));
	site_pass(s, 10);
	site_until(s, g.in.n == sizeof(bytes));
	assert_true(data_worker_set_rate(&s->workers[0], "unknown:0x0", 7));
	site_settle(s);
	close(fd);
	guest_close(&g);
}

/* Its lease is over, so that there is nothing else that could be told. */
static void test_an_identity_without_a_lease_is_cut(void **state)
{
	struct site *s = *state;
	struct route *r = route_ref(site_open_lease(s, "demo", 1));
	struct guest g;
	int fd = join(s, &g, 0, 0);

	assert_true(data_worker_cut(&s->workers[1], "other:0x0"));
	site_close_lease(s, r, false);
	site_settle(s);
	assert_false(visitor_has_ended(fd));
	for (unsigned i = 0; i < SITE_WORKERS; i++)
		assert_true(data_worker_cut(&s->workers[i], r->owner));
	visitor_expect_end(s, fd);
	site_until(s, g.rc != ERR_OK);
	guest_close(&g);
	route_unref(r);
}

/* ---- TCP ports ---- */

static int listening(uint16_t *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, n), 0);
	assert_int_equal(listen(fd, 8), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
	*port = ntohs(at.sin_port);
	return fd;
}

static int dial(uint16_t port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr = { .s_addr = htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

static void test_a_port_goes_on_from_one_registration_to_the_next(void **state)
{
	static const uint8_t marker = MARKER_RAW;
	struct site *s = *state;
	struct route *old = site_put_route(s, "demo", 1), *r;
	struct guest g;
	uint16_t port;
	int l = listening(&port), fd;

	old->tcp_port = port;
	assert_true(data_worker_open_route(&s->workers[1], old,
		fcntl(l, F_DUPFD_CLOEXEC, 0), 0));
	site_settle(s);
	fd = dial(
		/* waits for a session, and says nothing: the server speaks first */
		port);
	site_until(s, !list_is_empty(&s->workers[1].claims));
	r = site_put_route(s, "demo", 1);
	r->tcp_port = port;
	site_close_lease(s, old, false);
	assert_true(data_worker_open_route(&s->workers[1], r,
		fcntl(l, F_DUPFD_CLOEXEC, 0), 0));
	guest_open_session(&g, s, 1, "demo");
	guest_expect(&g, &marker, 1);
	guest_say_text(&g, "220 hello");
	visitor_expect(s, fd, "220 hello", 9);
	close(fd);
	guest_expect_end(&g, ERR_EOF);
	guest_close(&g);

	guest_open_session(&g, s, 1, "demo");
	fd = dial(port);
	visitor_say(fd, "HELO", 4);
	guest_expect(&g, &marker, 1);
	guest_expect_text(&g, "HELO");
	close(fd);
	guest_close(&g);
	close(l);
}

static void test_a_visitor_that_waited_at_a_closed_port_is_closed(void **state)
{
	struct site *s = *state;
	struct route *old = site_put_route(s, "demo", 0);
	uint16_t port;
	int l = listening(&port), fd;

	old->tcp_port = port;
	assert_true(data_worker_open_route(&s->workers[0], old, l, 0));
	site_settle(s);
	fd = dial(port);
	site_until(s, !list_is_empty(&s->workers[0].claims));
	site_put_route(s, "demo", 0);
	site_close_lease(s, old, false);
	visitor_expect_end(s, fd);
}

/* ---- the end ---- */

static bool has_stopped(struct site *s, unsigned i)
{
	return atomic_load(&s->workers[i].worker.is_stopping);
}

static void test_a_worker_without_work_ends_at_once(void **state)
{
	struct site *s = *state;
	struct guest g;
	int front, waiting;

	site_open_lease(s, "demo", 0);
	site_open_lease(s, "other", 0);
	guest_open_session(&g, s, 0, "demo");
	front = site_visit(s, 0);
	waiting = site_visit_host(s, 0, "other." SITE_ROOT);
	site_settle(s);
	data_worker_end(&s->workers[0], 5000);
	visitor_expect_end(s, front);
	visitor_expect_end(s, waiting);
	guest_expect_end(&g, ERR_EOF);
	site_until(s, has_stopped(s, 0));
	assert_false(has_stopped(s, 1));
	guest_close(&g);
}

static void test_an_end_waits_for_bridges(void **state)
{
	struct site *s = *state;
	struct guest g;
	int fd, late;

	site_open_lease(s, "demo", 0);
	fd = join(s, &g, 0, 0);
	data_worker_end(&s->workers[0], 5000);
	site_pass(s, 4000);
	assert_false(has_stopped(s, 0));
	late = site_visit_host(s, 0, "demo." SITE_ROOT);
	visitor_expect_end(s, late);
	guest_say_text(&g, "still here");
	visitor_expect(s, fd, "still here", 10);
	close(fd);
	guest_expect_end(&g, ERR_EOF);
	guest_close(&g);
	site_until(s, has_stopped(s, 0));
}

static void test_an_end_waits_so_long_and_no_longer(void **state)
{
	struct site *s = *state;
	struct guest g;
	int fd;

	site_open_lease(s, "demo", 1);
	fd = join(s, &g, 0, 0);
	data_worker_end(&s->workers[1], 5000);
	data_worker_end(&s->workers[1], 1000); /* again: nothing is different */
	site_pass(s, 4999);
	assert_false(has_stopped(s, 1));
	site_pass(s, 2);
	assert_true(has_stopped(s, 1));
	visitor_expect_end(s, fd);
	site_until(s, g.rc != ERR_OK);
	guest_close(&g);
}

static void test_an_end_waits_for_answers(void **state)
{
	struct site *s = *state;
	struct guest g, idle;

	guest_come(&g, s, 0);
	guest_come(&idle, s, 0);
	ask(&g, "GET /app HTTP/1.1\r\n");
	site_until(s, s->call != NULL);
	data_worker_end(&s->workers[0], 5000);
	site_pass(s, 2000);
	guest_expect_end(&idle, ERR_EOF);
	assert_false(has_stopped(s, 0));
	s->call->status = 204;
	lease_service_answer(s->call->sender, s->call);
	s->call = NULL;
	assert_int_equal(guest_read_answer(&g), 204);
	guest_expect_end(&g, ERR_EOF);
	guest_close(&g);
	site_until(s, has_stopped(s, 0));
	guest_close(&idle);
}

/* Whatever lies in the box of a worker that reads no more is freed, and closed. */
static void test_mail_to_a_closed_worker_is_dropped(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 1);
	int visitor = site_visit_host(s, 0, "demo." SITE_ROOT), client[2], front;
	uint16_t port;
	struct guest g;

	guest_come(&g, s, 0);
	guest_ask_session(&g, "demo");
	for (int i = 0; i < 1000 && g.in.n == 0; i++) {
		loop_turn(s->workers[0]
				  .worker.loop); /* both are passed on, and lie there */
		loop_turn(s->loop);
		usleep(100);
	}
	front = site_visit(s, 1);
	site_pair(client);
	assert_true(data_worker_give_client(&s->workers[1], client[1], &s->peer));
	assert_true(data_worker_open_route(&s->workers[1], r, listening(&port), 9));
	assert_true(data_worker_set_rate(&s->workers[1], r->owner, 9));
	assert_true(data_worker_set_snapshot(&s->workers[1], s->snapshot));
	assert_true(data_worker_close_route(&s->workers[1], r, true));
	data_worker_end(&s->workers[1], 1000);
	data_worker_close(&s->workers[1]);
	assert_true(visitor_has_ended(visitor));
	assert_true(visitor_has_ended(front));
	assert_true(visitor_has_ended(client[0]));
	close(visitor);
	close(front);
	close(client[0]);
	for (int i = 0; i < 1000 && g.rc == ERR_OK; i++) {
		loop_turn(s->loop);
		usleep(100);
	}
	assert_int_equal(g.rc, ERR_EOF);
	guest_close(&g);
	assert_int_equal(data_worker_init(&s->workers[1], &s->shared, 1, s->snapshot,
				 NULL),
		ERR_OK);
}

/* As after a failure in the middle of data_worker_init(). */
static void test_a_half_built_worker_is_closed(void **state)
{
	struct site *s = *state;
	struct data_worker d = { .shared = &s->shared,
		.snapshot = snapshot_ref(s->snapshot) };

	list_init(&d.served);
	map_init(&d.owners);
	list_init(&d.pending);
	list_init(&d.claims);
	list_init(&d.bridges);
	assert_int_equal(worker_init(&d.worker, 2), ERR_OK);
	data_worker_close(&d);
	assert_null(d.shared);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, site_set_up, site_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_visitors_and_sessions_go_to_the_lease),
		TEST(test_a_visitor_may_send_while_it_is_handed_over),
		TEST(test_a_visitor_that_left_on_the_way_ends_its_session),
		TEST(test_a_lease_that_is_replaced_meanwhile_is_not_missed),
		TEST(test_a_session_for_a_lease_that_ended_meanwhile_is_closed),
		TEST(test_a_session_may_arrive_before_its_route_is_opened),
		TEST(test_a_route_without_a_worker_serves_no_visitor),
		TEST(test_an_answer_finds_its_request),
		TEST(test_an_answer_to_a_closed_connection_is_dropped),
		TEST(test_questions_that_wait_have_a_bound),
		TEST(test_a_shared_text_is_released),
		TEST(test_a_new_snapshot_counts_at_once),
		TEST(test_a_ban_ends_sessions_and_their_visitors),
		TEST(test_a_rate_holds_for_bridges_that_run),
		TEST(test_an_identity_without_a_lease_is_cut),
		TEST(test_a_port_goes_on_from_one_registration_to_the_next),
		TEST(test_a_visitor_that_waited_at_a_closed_port_is_closed),
		TEST(test_a_half_built_worker_is_closed),
		TEST(test_a_worker_without_work_ends_at_once),
		TEST(test_an_end_waits_for_bridges),
		TEST(test_an_end_waits_so_long_and_no_longer),
		TEST(test_an_end_waits_for_answers),
		TEST(test_mail_to_a_closed_worker_is_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
