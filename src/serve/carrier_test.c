/*
 * One process, three public names, three carriers: the reverse sessions of a lease, a
 * link, and one that is written here. Visitors, routes and limits cannot tell which is
 * which.
 */
#include "serve/site_test.h"

#include "crypto/hostkey.h"
#include "net/pipe_test.h"
#include "serve/link/link_carrier.h"
#include "serve/memory_link_test.h"

/* ---- a carrier of 60 lines: a stream in memory for each visitor ---- */

#define PLAIN_STREAMS 4

struct plain {
	struct carrier carrier;
	struct pipe_pair pairs[PLAIN_STREAMS]; /* a is the relay's end */
	unsigned n;
	bool is_away; /* claims wait */
	struct list waiting;
	unsigned drops;
};

static void plain_serve(struct plain *p, struct claim *claim)
{
	struct pipe_end *end = &p->pairs[p->n++].a;
	size_t put = 0;

	assert_int_equal(stream_put(&end->stream, claim->first.p, claim->first.n, &put),
		0);
	assert_int_equal(put, claim->first.n);
	claim_end(claim, ERR_OK, &end->stream);
}

static void plain_claim(struct carrier *c, struct claim *claim)
{
	struct plain *p = mem_container(c, struct plain, carrier);

	if (p->is_away)
		list_add(&p->waiting, &claim->in_carrier);
	else
		plain_serve(p, claim);
}

static void plain_cancel(struct carrier *c, struct claim *claim)
{
	(void)c;
	list_remove(&claim->in_carrier);
}

static void plain_drop(struct carrier *c, const struct prefix_set *banned)
{
	(void)banned;
	mem_container(c, struct plain, carrier)->drops++;
}

static void plain_close(struct carrier *c)
{
	struct plain *p = mem_container(c, struct plain, carrier);
	struct claim *claim;

	while ((claim = list_first(&p->waiting, struct claim, in_carrier)) != NULL) {
		list_remove(&claim->in_carrier);
		claim_end(claim, ERR_CLOSED, NULL);
	}
}

static const struct carrier_ops plain_ops = {
	.claim = plain_claim,
	.cancel = plain_cancel,
	.drop = plain_drop,
	.close = plain_close,
};

/* ---- a link in memory: a client whose target notes what it is told ---- */

struct link {
	struct memory_link memory;
	struct carrier *carrier; /* the server's */
	struct stream *target;   /* the client's end of the last channel */
	struct buf heard;
};

static void target_on_ready(void *arg, unsigned ready)
{
	struct link *l = arg;
	uint8_t bytes[4096];
	size_t got;

	(void)ready;
	while (stream_read(l->target, bytes, sizeof(bytes), &got) == ERR_OK)
		assert_int_equal(buf_put(&l->heard, bytes, got), ERR_OK);
}

static void link_on_target(void *arg, struct stream *target)
{
	struct link *l = arg;

	l->target = target;
	stream_set_owner(target, target_on_ready, l);
	stream_want(target, LOOP_READ);
}

static void link_open(struct link *l, struct site *s)
{
	*l = (struct link){ .memory = { .on_target = link_on_target, .arg = l } };
	buf_init(&l->heard, 65536);
	memory_link_open(&l->memory, &s->workers[0].worker);
	site_settle(s);
}

static void link_close_sessions(struct link *l, struct site *s)
{
	memory_link_close(&l->memory);
	site_settle(s);
	if (l->target != NULL)
		stream_abort(l->target);
	l->target = NULL;
	site_settle(s);
	memory_link_fini(&l->memory);
	buf_fini(&l->heard);
}

/* ---- routes that are no lease's ---- */

static const struct route_ops route_kind = { .open_carrier = NULL };

static struct route *put_route(struct site *s, const char *name)
{
	struct route *r = mem_new(r);

	assert_non_null(r);
	r->ops = &route_kind;
	atomic_init(&r->refs, 1);
	str_copy(r->owner, sizeof(r->owner), name);
	str_copy(r->name, sizeof(r->name), name);
	snprintf(r->public_host, sizeof(r->public_host), "%s." SITE_ROOT, name);
	str_copy(r->host, sizeof(r->host), r->public_host);
	atomic_init(&r->is_routable, true);
	atomic_init(&r->until_ms, UINT64_MAX);
	route_put(s->shared.routes, r);
	route_unref(r);
	return r;
}

static struct route *open_plain(struct site *s, struct plain *p)
{
	struct route *r = put_route(s, "plain");

	*p = (struct plain){ .n = 0 };
	list_init(&p->waiting);
	for (unsigned i = 0; i < PLAIN_STREAMS; i++)
		pipe_pair_init(&p->pairs[i], s->workers[0].worker.loop);
	p->carrier = (struct carrier){ .ops = &plain_ops,
		.loop = s->workers[0].worker.loop,
		.present = &r->present };
	assert_int_equal(served_open_by(&s->workers[0], r, &p->carrier), ERR_OK);
	return r;
}

static void close_plain(struct plain *p)
{
	for (unsigned i = 0; i < PLAIN_STREAMS; i++)
		pipe_pair_fini(&p->pairs[i]);
}

static struct route *open_link(struct site *s, struct link *l)
{
	struct route *r = put_route(s, "link");
	struct link_carrier_options o = {
		.loop = s->workers[0].worker.loop,
		.find = memory_link_find,
		.arg = &l->memory,
		.target = "localhost:3000",
		.present = &r->present,
	};

	link_open(l, s);
	assert_int_equal(link_carrier_new(&o, &l->carrier), ERR_OK);
	assert_int_equal(served_open_by(&s->workers[0], r, l->carrier), ERR_OK);
	assert_int_equal(r->present, 1);
	return r;
}

/* ---- the tests ---- */

static void test_three_names_have_three_carriers(void **state)
{
	struct site *s = *state;
	struct plain plain;
	struct link link;
	struct guest guest;
	struct route *routes[2];
	struct buf hello;
	int fds[3];
	size_t put;

	site_open_lease(s, "lease", 0);
	guest_open_session(&guest, s, 0, "lease");
	routes[0] = open_link(s, &link);
	routes[1] = open_plain(s, &plain);

	fds[0] = site_visit_host(s, 0, "lease." SITE_ROOT);
	guest_expect_visitor(&guest, "lease." SITE_ROOT);
	guest_say_text(&guest, "from a lease");
	visitor_expect(s, fds[0], "from a lease", 12);

	buf_init(&hello, 1024);
	site_put_hello(&hello, "link." SITE_ROOT);
	fds[1] = site_visit_host(s, 0, "link." SITE_ROOT);
	site_until(s, link.heard.n == hello.n);
	assert_memory_equal(buf_span(&link.heard).p, buf_span(&hello).p, hello.n);
	assert_string_equal(link.memory.asked, "localhost:3000");
	assert_int_equal(stream_put(link.target, "from a link", 11, &put), ERR_OK);
	visitor_expect(s, fds[1], "from a link", 11);

	buf_reset(&hello);
	site_put_hello(&hello, "plain." SITE_ROOT);
	fds[2] = site_visit_host(s, 1, "plain." SITE_ROOT); /* by another worker */
	site_until(s, plain.pairs[0].b.in.n == hello.n);
	assert_int_equal(stream_put(&plain.pairs[0].b.stream, "plainly", 7, &put),
		ERR_OK);
	visitor_expect(s, fds[2], "plainly", 7);

	assert_int_equal(s->workers[0].stats.visitors, 3);
	assert_int_equal(s->workers[0].stats.bridges, 3);
	assert_int_equal(routes[0]->visitors, 1);
	assert_int_equal(routes[1]->bytes, hello.n + 7);

	/* By owner they are cut alike. */
	assert_true(data_worker_cut(&s->workers[0], "link"));
	visitor_expect_end(s, fds[1]);
	assert_true(data_worker_cut(&s->workers[0], "plain"));
	visitor_expect_end(s, fds[2]);
	assert_int_equal(s->workers[0].stats.bridges, 1);
	close(fds[0]);
	guest_close(&guest);
	buf_fini(&hello);
	site_settle(s);
	site_close_lease(s, routes[0], false);
	site_settle(s);
	assert_int_equal(s->workers[0].stats.sessions, 0);
	link_close_sessions(&link, s);
	site_close_lease(s, routes[1], false);
	site_settle(s);
	close_plain(&plain);
}

static void test_a_target_that_is_not_there_ends_the_visit(void **state)
{
	struct site *s = *state;
	struct link link;
	struct route *r = open_link(s, &link);
	int fd;

	link.memory.refuses = true;
	fd = site_visit_host(s, 0, "link." SITE_ROOT);
	visitor_expect_end(s, fd);
	assert_int_equal(s->workers[0].stats.unserved, 1);
	site_close_lease(s, r, false);
	site_settle(s);
	link_close_sessions(&link, s);
}

static void test_a_visitor_that_leaves_cancels_its_claim(void **state)
{
	struct site *s = *state;
	struct plain plain;
	struct route *r = open_plain(s, &plain);
	int fd;

	plain.is_away = true;
	fd = site_visit_host(s, 0, "plain." SITE_ROOT);
	site_until(s, !list_is_empty(&plain.waiting));
	close(fd);
	site_until(s, list_is_empty(&plain.waiting));
	assert_int_equal(plain.n, 0);
	site_close_lease(s, r, false);
	site_settle(s);
	close_plain(&plain);
}

static void test_the_end_of_a_carrier_ends_its_claims(void **state)
{
	struct site *s = *state;
	struct plain plain;
	struct route *r = open_plain(s, &plain);
	int fd;

	plain.is_away = true;
	fd = site_visit_host(s, 0, "plain." SITE_ROOT);
	site_until(s, !list_is_empty(&plain.waiting));
	site_close_lease(s, r, false);
	visitor_expect_end(s, fd);
	assert_int_equal(s->workers[0].stats.unserved, 1);
	close_plain(&plain);
}

static void test_a_route_without_a_carrier_is_not_served(void **state)
{
	struct site *s = *state;
	struct route *r = put_route(s, "link");
	int fd = site_visit_host(s, 0, "link." SITE_ROOT);

	visitor_expect_end(s, fd);
	assert_int_equal(s->workers[0].stats.unserved, 1);
	route_remove(s->shared.routes, r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, site_set_up, site_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_three_names_have_three_carriers),
		TEST(test_a_target_that_is_not_there_ends_the_visit),
		TEST(test_a_visitor_that_leaves_cancels_its_claim),
		TEST(test_the_end_of_a_carrier_ends_its_claims),
		TEST(test_a_route_without_a_carrier_is_not_served),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
