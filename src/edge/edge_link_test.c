/*
 * The edge over a link: a visitor's TLS ends at the relay, and its requests travel as
 * channels of an SSH connection in memory to a client and its app.
 */
#include "edge/edge_site_test.h"

#include "serve/link/link_carrier.h"
#include "serve/memory_link_test.h"

#define MIB ((size_t)1 << 20)

static struct memory_link *the_link;

/* The app's end is a connection of the site's app. */
static void link_on_target(void *arg, struct stream *target)
{
	app_adopt(arg, target);
}

static void link_open(struct memory_link *l, struct edge_site *s)
{
	*l = (struct memory_link){ .on_target = link_on_target, .arg = s };
	the_link = l;
	memory_link_open(l, &s->workers[0].worker);
	site_settle(s);
}

static void link_end(struct memory_link *l)
{
	memory_link_close(l);
	site_settle(the_site);
}

/* The apps' streams are the link's: they go first. */
static void link_fini(struct memory_link *l)
{
	for (unsigned i = 0; i < the_site->apps_n; i++)
		app_close(&the_site->apps[i]);
	site_settle(the_site);
	memory_link_fini(l);
}

/* The link that is there now: another may have taken the place of the first. */
static struct chisel_session *link_find(void *arg, struct addr *client)
{
	(void)arg;
	return memory_link_find(the_link, client);
}

static enum err link_open_carrier(struct route *r, struct loop *loop,
	atomic_uint_fast64_t *sessions, struct carrier **out)
{
	struct link_carrier_options o = {
		.loop = loop,
		.find = link_find,
		.target = tunnel_route_of(r)->target,
		.present = &r->present,
	};

	(void)sessions;
	return link_carrier_new(&o, out);
}

static const struct route_ops link_kind = {
	.open_carrier = link_open_carrier,
	.serve_take = edge_serve_take,
};

static struct route *open_tunnel(struct edge_site *s)
{
	struct tunnel_route *t = site_new_tunnel("web", 0);

	t->route.ops = &link_kind;
	return site_publish(s, t);
}

static void test_requests_travel_over_a_link(void **state)
{
	struct edge_site *s = *state;
	size_t n = 8 * MIB;
	uint8_t *body = make_body(n);
	struct memory_link l;
	struct guest g;

	link_open(&l, s);
	open_tunnel(s);
	guest_come(&g, s, "web");
	get(&g, "web", "hello");
	assert_string_equal(l.asked, "localhost:3000");
	get(&g, "web", "again");
	assert_int_equal(s->apps_n, 1); /* the channel is used again */

	app_forget(s->app);
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	app_expect(s, "\r\n\r\n");
	app_say_text(s->app, OK "Content-Length: 8388608\r\n\r\n");
	app_say(s->app, body, n);
	assert_int_equal(guest_read_head(&g), 200);
	assert_memory_equal(guest_take(&g, n), body, n);
	get(&g, "web", "after it");
	guest_close(&g);
	link_end(&l);
	link_fini(&l);
	free(body);
}

static void test_an_app_that_refuses_has_a_page(void **state)
{
	struct edge_site *s = *state;
	struct memory_link l;
	struct guest g;

	link_open(&l, s);
	open_tunnel(s);
	l.refuses = true;
	guest_come(&g, s, "web");
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	assert_int_equal(guest_read_answer(&g), 502);
	assert_non_null(
		strstr(g.body, "The app behind web.example.com does not answer."));
	l.refuses = false;
	get(&g, "web", "hello");
	guest_close(&g);
	link_end(&l);
	link_fini(&l);
}

static void test_a_link_that_ends_cuts_answers_and_comes_back(void **state)
{
	struct edge_site *s = *state;
	struct memory_link l, next;
	struct guest g, other;

	link_open(&l, s);
	open_tunnel(s);
	guest_come(&g, s, "web");
	guest_come(&other, s, "web");
	guest_ask(&g, "GET / HTTP/1.1", "web", "");
	app_expect(s, "\r\n\r\n");
	app_say_text(s->app, OK "Content-Length: 100\r\n\r\nhi");
	assert_int_equal(guest_read_head(&g), 200);
	link_end(&l);
	assert_int_not_equal(guest_wait_end(&g), ERR_EOF);
	guest_close(&g);

	guest_ask(&other, "GET / HTTP/1.1", "web", "");
	assert_int_equal(guest_read_answer(&other), 503);
	assert_non_null(strstr(other.body, "web.example.com is offline."));

	link_open(&next, s);
	get(&other, "web", "back");
	guest_close(&other);
	link_end(&next);
	link_fini(&next);
	link_fini(&l);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, site_set_up, site_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_requests_travel_over_a_link),
		TEST(test_an_app_that_refuses_has_a_page),
		TEST(test_a_link_that_ends_cuts_answers_and_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
