/*
 * The edge over a link: a visitor's TLS ends at the relay, and its requests travel as
 * channels of an SSH connection in memory to a client and its app.
 */
#include "edge/edge_site_test.h"

#include "crypto/hostkey.h"
#include "net/pipe_test.h"
#include "serve/link/link_carrier.h"

#define MIB ((size_t)1 << 20)

struct link {
	struct chisel_session *server, *client; /* NULL: closed */
	struct hostkey *key;
	struct pipe_pair pipe;
	char asked[64]; /* the target's text */
	bool refuses;
};

static struct link *the_link;

static bool link_is_host_key_good(void *owner, struct span blob, struct why *why)
{
	(void)owner;
	(void)blob;
	(void)why;
	return true;
}

static void link_on_password(void *owner, struct span user, struct span password)
{
	struct link *l = owner;

	(void)user;
	(void)password;
	chisel_session_login(l->server, true);
}

static void link_on_up(void *owner)
{
	struct link *l = owner;

	if (l->client != NULL)
		(void)!chisel_session_configure(l->client, span_str("{}"));
}

static void link_on_config(void *owner, struct span name, struct span data)
{
	struct link *l = owner;

	(void)name;
	(void)data;
	(void)!chisel_session_answer(l->server, true, span_str(""));
}

static void link_on_answer(void *owner, struct span refusal, struct span details)
{
	(void)owner;
	(void)details;
	assert_int_equal(refusal.n, 0);
}

/* The app's end is a connection of the site's app. */
static void link_on_open(void *owner, struct channel *ch, struct span target)
{
	struct link *l = owner;
	struct stream *stream;

	str_quote(l->asked, sizeof(l->asked), target);
	if (l->refuses) {
		channel_refuse(ch, SSH_CONNECT_FAILED, "no");
		return;
	}
	assert_int_equal(channel_accept(ch, &stream), ERR_OK);
	app_adopt(the_site, stream);
}

static void link_on_client_closed(void *owner, enum err rc, const struct why *why)
{
	struct link *l = owner;

	(void)rc;
	(void)why;
	l->client = NULL;
}

static void link_on_server_closed(void *owner, enum err rc, const struct why *why)
{
	struct link *l = owner;

	(void)rc;
	(void)why;
	l->server = NULL;
}

static void link_open(struct link *l, struct edge_site *s)
{
	static const struct chisel_tuning tuning = { .keepalive_ms = 0 };
	static const struct chisel_session_hooks client = {
		.is_host_key_good = link_is_host_key_good,
		.on_up = link_on_up,
		.on_answer = link_on_answer,
		.on_open = link_on_open,
		.on_closed = link_on_client_closed,
	};
	static const struct chisel_session_hooks server = {
		.on_password = link_on_password,
		.on_up = link_on_up,
		.on_config = link_on_config,
		.on_open = link_on_open,
		.on_closed = link_on_server_closed,
	};
	struct chisel_session_options o = {
		.role = SSH_SERVER,
		.worker = &s->workers[0].worker,
		.stream = &l->pipe.b.stream,
		.tuning = &tuning,
		.hooks = &server,
		.owner = l,
	};

	*l = (struct link){ .refuses = false };
	the_link = l;
	assert_int_equal(hostkey_from_seed("test123", &l->key), ERR_OK);
	pipe_pair_init(&l->pipe, s->workers[0].worker.loop);
	o.key = l->key;
	assert_int_equal(chisel_session_open(&o, &l->server), ERR_OK);
	o.role = SSH_CLIENT;
	o.stream = &l->pipe.a.stream;
	o.key = NULL;
	o.user = o.password = "";
	o.hooks = &client;
	assert_int_equal(chisel_session_open(&o, &l->client), ERR_OK);
	site_settle(s);
}

static void link_end(struct link *l)
{
	if (l->client != NULL)
		chisel_session_close(l->client, ERR_CLOSED, "the test is over");
	if (l->server != NULL)
		chisel_session_close(l->server, ERR_CLOSED, "the test is over");
	site_settle(the_site);
}

/* The apps' streams are the link's: they go first. */
static void link_fini(struct link *l)
{
	for (unsigned i = 0; i < the_site->apps_n; i++)
		app_close(&the_site->apps[i]);
	site_settle(the_site);
	pipe_pair_fini(&l->pipe);
	hostkey_free(l->key);
}

static struct chisel_session *link_find(void *arg, struct addr *client)
{
	(void)arg;
	assert_int_equal(addr_from_literal("192.0.2.7", 0, client), ERR_OK);
	return the_link->server;
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
	struct link l;
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
	struct link l;
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
	struct link l, next;
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
