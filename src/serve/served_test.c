/* Leases on their data worker: when there is one, and what an identity's share. */
#include "serve/site_test.h"

static struct data_worker *data(struct site *s)
{
	return &s->workers[0];
}

static void test_a_served_lease_is_made_on_first_use(void **state)
{
	struct site *s = *state;
	struct route *r = site_put_route(s, "demo", 0);
	struct served *l = served_get(data(s), r);

	assert_non_null(l);
	assert_ptr_equal(served_get(data(s), r), l);
	assert_int_equal(served_open(data(s), r, -1, 1000), ERR_OK);
	assert_ptr_equal(served_get(data(s), r), l);
	assert_ptr_equal(r->served, l);
}

static void test_a_lease_that_is_over_does_not_come_back_by_itself(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);

	assert_true(data_worker_close_route(&s->workers[0], r, false));
	site_settle(s);
	assert_null(r->served);
	assert_null(served_get(data(s), r));
	assert_true(data_worker_close_route(&s->workers[0], r, true)); /* again */
	site_settle(s);
	assert_int_equal(served_open(data(s), r, -1, 0), ERR_OK);
	assert_non_null(served_get(data(s), r));
}

static void test_the_next_lease_is_one_of_the_same_identity_that_is_served(void **state)
{
	struct site *s = *state;
	struct route *was = route_ref(site_open_lease(s, "demo", 0)), *r;
	struct served *next;

	assert_null(served_get_next(data(s), was)); /* it is not its own successor */
	site_open_lease(s, "other", 0);
	site_close_lease(s, was, false);
	site_settle(s);
	assert_null(served_get_next(data(s), was));
	r = site_put_route(s, "demo", 0);
	atomic_store(&r->is_routable, false);
	assert_null(served_get_next(data(s), was));
	atomic_store(&r->is_routable, true);
	r->worker = 1;
	assert_null(served_get_next(data(s), was));
	r->worker = 0;
	next = served_get_next(data(s), was);
	assert_non_null(next);
	assert_ptr_equal(next, r->served);
	route_unref(was);
}

static void test_the_limit_of_an_identity_outlives_its_registrations(void **state)
{
	static uint8_t bytes[4096];
	struct site *s = *state;
	struct route *old = site_put_route(s, "demo", 0), *r;
	struct guest first, second;
	int fds[2];

	assert_true(data_worker_open_route(&s->workers[0], old, -1, 1000));
	guest_open_session(&first, s, 0, "demo");
	fds[0] = site_visit_host(s, 0, "demo." SITE_ROOT);
	guest_expect_visitor(&first, "demo." SITE_ROOT);
	visitor_say(fds[0], bytes, 1000);
	site_settle(s);
	assert_int_equal(first.in.n, 1000);

	r = site_put_route(s, "demo", 0);
	site_close_lease(s, old, false);
	assert_true(data_worker_open_route(&s->workers[0], r, -1, 1000));
	guest_open_session(&second, s, 0, "demo");
	fds[1] = site_visit_host(s, 0, "demo." SITE_ROOT);
	guest_expect_visitor(&second, "demo." SITE_ROOT);
	visitor_say(fds[0], bytes, 2000);
	visitor_say(fds[1], bytes, 2000);
	site_settle(s);
	assert_int_equal(second.in.n, 0); /* what there was is spent */
	site_pass(s, 1000);
	site_settle(s);
	assert_in_range(first.in.n + second.in.n, 1900, 2000);
	assert_true(data_worker_set_rate(&s->workers[0], r->owner, 0));
	site_pass(s, 10);
	site_until(s, first.in.n == 3000 && second.in.n == 2000);
	for (int i = 0; i < 2; i++)
		close(fds[i]);
	guest_close(&first);
	guest_close(&second);
}

static void test_a_limit_is_of_one_identity(void **state)
{
	static uint8_t bytes[4096];
	struct site *s = *state;
	struct guest g[2];
	int fds[2];

	assert_true(data_worker_open_route(&s->workers[0], site_put_route(s, "slow", 0),
		-1, 1000));
	site_open_lease(s, "fast", 0);
	for (int i = 0; i < 2; i++) {
		const char *host = i == 0 ? "slow." SITE_ROOT : "fast." SITE_ROOT;

		guest_open_session(&g[i], s, 0, i == 0 ? "slow" : "fast");
		fds[i] = site_visit_host(s, 0, host);
		guest_expect_visitor(&g[i], host);
		visitor_say(fds[i], bytes, sizeof(bytes));
	}
	site_until(s, g[1].in.n == sizeof(bytes));
	assert_int_equal(g[0].in.n, 1000);
	for (int i = 0; i < 2; i++) {
		close(fds[i]);
		guest_close(&g[i]);
	}
}

/* When the last connection of an identity has gone nothing is kept of it. */
static void test_nothing_is_left_of_an_identity(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);
	struct guest g;
	int fd;

	guest_open_session(&g, s, 0, "demo");
	fd = site_visit_host(s, 0, "demo." SITE_ROOT);
	guest_expect_visitor(&g, "demo." SITE_ROOT);
	site_close_lease(s, r, false);
	site_settle(s);
	assert_true(list_is_empty(&data(s)->served));
	close(fd);
	guest_close(&g);
	site_until(s, list_is_empty(&data(s)->bridges));
	assert_int_equal(data(s)->owners.count, 0);
}

static void test_a_lease_has_one_port(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0);
	int fds[2];

	for (int i = 0; i < 2; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		assert_int_equal(listen(fds[i], 8), 0);
	}
	assert_int_equal(served_open(data(s), r, fds[0], 0), ERR_OK);
	assert_int_equal(served_open(data(s), r, fds[1], 0), ERR_EXISTS);
	close(fds[1]); /* it was not taken */
}

static void test_at_the_end_there_are_no_leases(void **state)
{
	struct site *s = *state;
	struct route *r = site_open_lease(s, "demo", 0), *late;

	data_worker_end(&s->workers[0], 1000);
	site_settle(s);
	late = site_put_route(s, "late", 0);
	assert_null(served_get(data(s), r));
	assert_null(served_get(data(s), late));
	assert_int_equal(served_open(data(s), late, -1, 0), ERR_NOMEM);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, site_set_up, site_tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_a_served_lease_is_made_on_first_use),
		TEST(test_a_lease_that_is_over_does_not_come_back_by_itself),
		TEST(test_the_next_lease_is_one_of_the_same_identity_that_is_served),
		TEST(test_the_limit_of_an_identity_outlives_its_registrations),
		TEST(test_a_limit_is_of_one_identity),
		TEST(test_nothing_is_left_of_an_identity),
		TEST(test_a_lease_has_one_port),
		TEST(test_at_the_end_there_are_no_leases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
