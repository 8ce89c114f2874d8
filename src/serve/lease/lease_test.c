/* The table of leases, against a model that compares every pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/rand.h"
#include "base/str.h"
#include "loop/timer_test.h"
#include "net/listener.h"
#include "serve/lease/lease.h"
#include "serve/lease/reservation.h"
#include "serve/lease/store_test.h"

#define ROOT "relay.example.com"
#define T0_MS UINT64_C(1780315200000)
#define NAMES 4
#define OWNERS 3
#define STEPS 4000
#define PORTS 3
#define GRACE_MS 600000

static const char *const names[NAMES] = { "one", "two", "three", "ech-x" };
static const char *const addresses[OWNERS] = {
	"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
	"0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
	"0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
};
/* A route host may be the name of another lease. */
static const char *const hosts[] = { NULL, "ech-x." ROOT, "ech-y." ROOT, "one." ROOT };

struct fixture {
	struct loop *loop;
	struct log log;
	struct test_store kept; /* for tests with reserved names */
	struct reservations *names;
	struct route_table *routes;
	struct lease_table *table;
	uint16_t port_min;
	unsigned ended;
	enum lease_end end; /* of the last lease that has ended */
};

static void on_end(void *arg, struct lease *lease, enum lease_end end)
{
	struct fixture *f = arg;

	(void)lease;
	f->ended++;
	f->end = end;
}

static uint16_t find_ports(void)
{
	for (unsigned min = 31000; min < 32700; min += 41) {
		int fd[PORTS];
		unsigned n = 0;

		while (n < PORTS &&
			listener_bind_tcp("127.0.0.1", (uint16_t)(min + n), &fd[n],
				NULL) == ERR_OK)
			n++;
		for (unsigned i = 0; i < n; i++)
			close(fd[i]);
		if (n == PORTS)
			return (uint16_t)min;
	}
	fail_msg("no ports to test with");
	return 0;
}

static void open_book(struct fixture *f)
{
	struct lease_table_options o = {
		.root = ROOT,
		.host = "127.0.0.1",
		.workers = 3,
		.port_min = f->port_min,
		.port_max = (uint16_t)(f->port_min + PORTS - 1),
		.routes = f->routes,
		.names = f->names,
		.on_end = on_end,
		.arg = f,
	};

	assert_int_equal(lease_table_new(&o, &f->table), ERR_OK);
}

static struct fixture *fixture_new(void)
{
	struct fixture *f = mem_new(f);

	assert_non_null(f);
	time_begin(T0_MS);
	f->port_min = find_ports();
	assert_int_equal(route_table_new(lease_route_alias, &f->routes), ERR_OK);
	open_book(f);
	return f;
}

static void open_names(struct fixture *f)
{
	struct reservations_options o = {
		.loop = f->loop,
		.log = &f->log,
		.grace_ms = GRACE_MS,
	};

	test_store_open(&f->kept);
	o.store = f->kept.store;
	assert_int_equal(reservations_open(&o, &f->names, NULL), ERR_OK);
}

static struct fixture *fixture_new_with_names(void)
{
	struct fixture *f = fixture_new();

	lease_table_free(f->table);
	assert_int_equal(loop_new(&f->loop), ERR_OK);
	log_init(&f->log, NULL, "test");
	open_names(f);
	open_book(f);
	return f;
}

/* The table is empty after that; names are as stored. */
static void restart(struct fixture *f)
{
	clock_advance(1);
	lease_table_free(f->table);
	reservations_close(f->names);
	test_store_close(&f->kept);
	open_names(f);
	open_book(f);
}

static void fixture_free(struct fixture *f)
{
	lease_table_free(f->table);
	route_table_free(f->routes);
	reservations_close(f->names);
	if (f->names != NULL)
		test_store_remove(&f->kept);
	loop_free(f->loop);
	free(f);
}

static enum err open_lease(struct fixture *f, unsigned name, unsigned owner,
	const char *route_host, bool wants_tcp, struct lease **out)
{
	struct message_metadata metadata = { .hide = false };
	struct lease_request req = {
		.name = names[name],
		.address = addresses[owner],
		.route_host = route_host,
		.metadata = &metadata,
		.client_ip = "192.0.2.1",
		.reported_ip = "",
		.wants_tcp = wants_tcp,
		.now_ms = clock_wall_ms(),
		.until_ms = clock_wall_ms() + 120000,
		.is_routable = true,
		.keeps_name = true,
	};

	return lease_open(f->table, &req, out, NULL);
}

/* Adds leases of @client_ip until the table has @n. */
static void fill_from(struct fixture *f, const char *client_ip, unsigned *n,
	unsigned until)
{
	struct message_metadata metadata = { .hide = false };
	char name[16];
	struct lease_request req = {
		.name = name,
		.address = addresses[0],
		.metadata = &metadata,
		.client_ip = client_ip,
		.reported_ip = "",
		.now_ms = clock_wall_ms(),
		.until_ms = clock_wall_ms() + 120000,
	};
	struct lease *lease;

	for (; *n < until; ++*n) {
		snprintf(name, sizeof(name), "n%u", *n);
		assert_int_equal(lease_open(f->table, &req, &lease, NULL), ERR_OK);
	}
}

static bool is_full_for(struct fixture *f, const char *client_ip, const char *name)
{
	char key[IDENTITY_KEY_SIZE];
	struct addr client;

	assert_int_equal(addr_from_literal(client_ip, 0, &client), ERR_OK);
	return lease_table_is_full(f->table, name,
		identity_key_print(name, addresses[0], key), &client);
}

static void test_leases_are_limited_for_each_network(void **state)
{
	struct fixture *f = fixture_new_with_names();
	struct prefix_set exempt = { .n = 0 };
	struct prefix p;
	unsigned n = 0;

	(void)state;
	assert_int_equal(prefix_parse(span_str("127.0.0.0/8"), &p), ERR_OK);
	assert_int_equal(prefix_set_add(&exempt, &p), ERR_OK);
	lease_table_set_bounds(f->table, 100, &exempt);
	fill_from(f, "203.0.113.1", &n, 99);
	assert_false(is_full_for(f, "203.0.113.1", "new"));
	fill_from(f, "203.0.113.1", &n, 100);
	assert_true(is_full_for(f, "203.0.113.1", "new"));
	assert_true(is_full_for(f, "::ffff:203.0.113.1", "new"));
	assert_false(is_full_for(f, "203.0.113.1", "n0")); /* has one */
	assert_false(is_full_for(f, "203.0.113.2", "new"));

	fill_from(f, "2001:db8:7:1::1", &n, n + 99);
	assert_false(is_full_for(f, "2001:db8:7:2::1", "new"));
	fill_from(f, "2001:db8:7:3::1", &n, n + 1);
	assert_true(is_full_for(f, "2001:db8:7:4::1", "new"));
	assert_false(is_full_for(f, "2001:db8:8::1", "new"));

	fill_from(f, "127.0.0.1", &n, n + 200);
	assert_false(is_full_for(f, "127.0.0.1", "new"));
	lease_table_set_bounds(f->table, 0, &exempt);
	assert_false(is_full_for(f, "203.0.113.1", "new"));
	lease_table_set_bounds(f->table, 100, NULL);
	fill_from(f, "10.0.0.7", &n, LEASE_TABLE_MAX);
	assert_true(is_full_for(f, "203.0.113.2", "new"));
	assert_false(is_full_for(f, "203.0.113.1", "n0"));
	prefix_set_fini(&exempt);
	fixture_free(f);
}

static bool has_route(struct fixture *f, const char *host, const struct lease *lease)
{
	struct route *r = route_find_by_host(f->routes, host);
	bool is_it = lease != NULL ? r == lease->route : r == NULL;

	route_unref(r);
	return is_it;
}

static void test_a_lease_is_found_by_both_of_its_hosts(void **state)
{
	struct fixture *f = fixture_new();
	struct lease *a;

	(void)state;
	assert_int_equal(open_lease(f, 0, 0, "ech-y." ROOT, false, &a), ERR_OK);
	assert_true(has_route(f, "one." ROOT, a));
	assert_true(has_route(f, "ech-y." ROOT, a));
	assert_true(has_route(f, "two." ROOT, NULL));
	assert_ptr_equal(lease_find(f->table, a->route->owner), a);
	lease_end(f->table, a, LEASE_UNREGISTERED);
	assert_int_equal(f->ended, 1);
	assert_true(has_route(f, "one." ROOT, NULL));
	fixture_free(f);
}

static void test_another_identity_cannot_have_the_name(void **state)
{
	struct fixture *f = fixture_new();
	struct lease *a, *b;

	(void)state;
	assert_int_equal(open_lease(f, 0, 0, NULL, false, &a), ERR_OK);
	assert_int_equal(open_lease(f, 0, 1, NULL, false, &b), ERR_EXISTS);
	assert_int_equal(open_lease(f, 0, 1, "ech-y." ROOT, false, &b), ERR_EXISTS);
	assert_int_equal(open_lease(f, 1, 1, "one." ROOT, false, &b), ERR_EXISTS);
	clock_advance(120000); /* expired, but not swept yet */
	assert_int_equal(open_lease(f, 0, 1, NULL, false, &b), ERR_OK);
	assert_int_equal(f->ended, 1);
	fixture_free(f);
}

static void test_the_same_identity_replaces_its_lease(void **state)
{
	struct fixture *f = fixture_new();
	struct lease *a, *b;
	int64_t number;
	unsigned worker;

	(void)state;
	assert_int_equal(open_lease(f, 0, 0, NULL, false, &a), ERR_OK);
	number = lease_route_of(a->route)->registration;
	worker = a->route->worker;
	assert_int_equal(open_lease(f, 0, 0, "ech-y." ROOT, false, &b), ERR_OK);
	assert_int_equal(f->ended, 1);
	assert_true(lease_route_of(b->route)->registration > number);
	assert_int_equal(b->route->worker, worker);
	assert_true(has_route(f, "one." ROOT, b));
	fixture_free(f);
}

static void test_a_port_keeps_its_socket_in_the_next_lease(void **state)
{
	struct fixture *f = fixture_new();
	struct lease *a, *b;
	uint16_t port;
	int worker_fd, client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct addr addr;

	(void)state;
	assert_int_equal(open_lease(f, 0, 0, NULL, true, &a), ERR_OK);
	port = a->route->tcp_port;
	assert_int_equal(port, f->port_min);
	worker_fd = fcntl(a->tcp_fd, F_DUPFD_CLOEXEC, 0);
	/* A visitor connects while the lease is replaced. */
	assert_int_equal(addr_from_literal("127.0.0.1", port, &addr), ERR_OK);
	assert_int_equal(connect(client, &addr.sa, addr.n), 0);
	assert_int_equal(open_lease(f, 0, 0, NULL, true, &b), ERR_OK);
	assert_int_equal(b->route->tcp_port, port);
	close(worker_fd);
	worker_fd = accept(b->tcp_fd, NULL, NULL);
	assert_true(worker_fd >= 0);
	close(worker_fd);
	close(client);

	/* At the end it is closed, despite the copy, and can be granted again. */
	worker_fd = fcntl(b->tcp_fd, F_DUPFD_CLOEXEC, 0);
	lease_end(f->table, b, LEASE_UNREGISTERED);
	client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(client, &addr.sa, addr.n), -1);
	close(client);
	assert_int_equal(open_lease(f, 0, 0, NULL, true, &a), ERR_OK);
	assert_int_equal(a->route->tcp_port, port);
	close(worker_fd);
	fixture_free(f);
}

static void test_ports_are_limited(void **state)
{
	struct message_metadata metadata = { .hide = false };
	struct lease_request req = {
		.name = "more",
		.address = addresses[0],
		.metadata = &metadata,
		.client_ip = "",
		.reported_ip = "",
		.wants_tcp = true,
		.tcp_max_leases = 3,
		.now_ms = T0_MS,
		.until_ms = T0_MS + 1000,
	};
	struct fixture *f = fixture_new();
	struct lease *l;

	(void)state;
	assert_int_equal(open_lease(f, 0, 0, NULL, true, &l), ERR_OK);
	assert_int_equal(open_lease(f, 1, 0, NULL, true, &l), ERR_OK);
	req.tcp_max_leases = 2;
	assert_int_equal(lease_open(f->table, &req, &l, NULL), ERR_LIMIT);
	req.tcp_max_leases = 0;
	assert_int_equal(lease_open(f->table, &req, &l, NULL), ERR_OK);
	assert_int_equal(open_lease(f, 2, 0, NULL, true, &l), ERR_NOENT);
	fixture_free(f);
}

static void test_a_sweep_ends_expired_leases(void **state)
{
	struct fixture *f = fixture_new();
	struct message_metadata metadata = { .hide = true };
	struct lease_renewal renewal = {
		.metadata = &metadata,
		.client_ip = "192.0.2.7",
		.reported_ip = "",
	};
	struct lease *a, *b;

	(void)state;
	assert_int_equal(open_lease(f, 0, 0, NULL, false, &a), ERR_OK);
	assert_int_equal(open_lease(f, 1, 1, NULL, false, &b), ERR_OK);
	atomic_store(&lease_route_of(b->route)->has_served, true);
	clock_advance(60000);
	renewal.now_ms = clock_wall_ms();
	renewal.until_ms = renewal.now_ms + 120000;
	lease_renew(f->table, b, &renewal);
	assert_true(b->metadata.hide);
	assert_string_equal(b->client_ip, "192.0.2.7");
	clock_advance(60000);
	lease_sweep(f->table, clock_wall_ms());
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->end, LEASE_EXPIRED);
	assert_true(has_route(f, "one." ROOT, NULL));
	assert_true(has_route(f, "two." ROOT, b));
	fixture_free(f);
}

/* For any time that was granted, and any number of renewals. */
static void test_a_lease_that_is_not_used_ends(void **state)
{
	struct fixture *f = fixture_new();
	struct lease *used, *unused;

	(void)state;
	assert_int_equal(open_lease(f, 0, 0, NULL, false, &used), ERR_OK);
	assert_int_equal(open_lease(f, 1, 1, NULL, false, &unused), ERR_OK);
	atomic_store(&used->route->until_ms, T0_MS + 3600000);
	atomic_store(&unused->route->until_ms, T0_MS + 3600000);
	clock_advance(LEASE_UNUSED_MS - 1);
	lease_sweep(f->table, clock_wall_ms());
	assert_int_equal(f->ended, 0);
	atomic_store(&lease_route_of(used->route)->has_served, true);
	clock_advance(1);
	lease_sweep(f->table, clock_wall_ms());
	assert_int_equal(f->ended, 1);
	assert_int_equal(f->end, LEASE_UNUSED);
	assert_true(has_route(f, "one." ROOT, used));
	assert_true(has_route(f, "two." ROOT, NULL));
	fixture_free(f);
}

/* ---- names ---- */

static struct lease *open_used(struct fixture *f, unsigned name, unsigned owner,
	const char *route_host)
{
	struct lease *l;

	assert_int_equal(open_lease(f, name, owner, route_host, false, &l), ERR_OK);
	atomic_store(&lease_route_of(l->route)->has_served, true);
	return l;
}

static void expect_free(struct fixture *f, unsigned name, unsigned owner, bool is_free)
{
	struct lease *l;
	enum err rc = open_lease(f, name, owner, NULL, false, &l);

	assert_int_equal(rc, is_free ? ERR_OK : ERR_EXISTS);
	if (rc == ERR_OK)
		lease_end(f->table, l, LEASE_UNREGISTERED);
}

/* No other identity gets it when it expires, or later. */
static void test_an_expired_name_stays_reserved_for_its_holder(void **state)
{
	struct fixture *f = fixture_new_with_names();

	(void)state;
	open_used(f, 0, 0, NULL);
	clock_advance(120000);
	expect_free(f, 0, 1, false); /* before the sweep */
	lease_sweep(f->table, clock_wall_ms());
	clock_advance(GRACE_MS - 1);
	expect_free(f, 0, 1, false);
	open_used(f, 0, 0, NULL);
	clock_advance(120000);
	lease_sweep(f->table, clock_wall_ms());
	clock_advance(GRACE_MS);
	expect_free(f, 0, 1, true);
	fixture_free(f);
}

static void test_which_ends_reserve_the_name(void **state)
{
	static const struct {
		enum lease_end end;
		bool is_used, keeps_name, is_free;
	} rows[] = {
		{ LEASE_EXPIRED, true, true, false },
		{ LEASE_EXPIRED, true, false, true },
		{ LEASE_EXPIRED, false, true, true },
		{ LEASE_UNUSED, false, true, true },
		{ LEASE_UNREGISTERED, true, true, true },
		{ LEASE_FAILED, false, true, true },
	};
	struct fixture *f = fixture_new_with_names();
	struct lease *l;

	(void)state;
	for (size_t i = 0; i < mem_count(rows); i++) {
		assert_int_equal(open_lease(f, 0, 0, NULL, false, &l), ERR_OK);
		atomic_store(&lease_route_of(l->route)->has_served, rows[i].is_used);
		lease_set_keeps_name(f->table, l, rows[i].keeps_name);
		lease_end(f->table, l, rows[i].end);
		expect_free(f, 0, 1, rows[i].is_free);
		clock_advance(GRACE_MS);
	}
	fixture_free(f);
}

/* An agent whose attempts fail does not lose its name. */
static void test_a_holder_that_cannot_connect_keeps_the_name(void **state)
{
	static const enum lease_end ends[] = { LEASE_UNUSED, LEASE_FAILED,
		LEASE_EXPIRED };
	struct fixture *f = fixture_new_with_names();
	struct lease *l;

	(void)state;
	for (size_t i = 0; i < mem_count(ends); i++) {
		open_used(f, 0, 0, NULL);
		for (int again = 0; again < 3; again++)
			assert_int_equal(open_lease(f, 0, 0, NULL, false, &l), ERR_OK);
		lease_end(f->table, l, ends[i]);
		assert_int_equal(open_lease(f, 0, 0, NULL, false, &l), ERR_OK);
		lease_end(f->table, l, ends[i]);
		expect_free(f, 0, 1, false);
		restart(f);
		expect_free(f, 0, 1, false);
		assert_int_equal(open_lease(f, 0, 0, NULL, false, &l), ERR_OK);
		lease_end(f->table, l, ends[i]);
		expect_free(f, 0, 1, false);
	}
	fixture_free(f);
}

static void test_names_stay_reserved_over_a_restart(void **state)
{
	struct fixture *f = fixture_new_with_names();
	struct lease *l;

	(void)state;
	open_used(f, 0, 0, NULL);
	lease_end(f->table, open_used(f, 1, 0, NULL), LEASE_UNREGISTERED);
	restart(f);
	assert_true(list_is_empty(lease_table_all(f->table)));
	expect_free(f, 0, 1, false);
	expect_free(f, 1, 1, true);
	assert_int_equal(open_lease(f, 0, 0, NULL, false, &l), ERR_OK);
	expect_free(f, 0, 1, false);
	lease_end(f->table, l, LEASE_UNREGISTERED);
	expect_free(f, 0, 1, true);
	fixture_free(f);
}

/* Neither as a name nor as a route host, and the other way round. */
static void test_route_hosts_are_names_too(void **state)
{
	struct fixture *f = fixture_new_with_names();
	struct lease *l;

	(void)state;
	open_used(f, 0, 0, "ech-x." ROOT);
	restart(f);
	assert_int_equal(open_lease(f, 1, 1, "one." ROOT, false, &l), ERR_EXISTS);
	assert_int_equal(open_lease(f, 1, 1, "ech-x." ROOT, false, &l), ERR_EXISTS);
	expect_free(f, 3, 1, false); /* "ech-x" */
	assert_int_equal(open_lease(f, 0, 0, "ech-y." ROOT, false, &l), ERR_OK);
	expect_free(f, 3, 1, false);
	atomic_store(&lease_route_of(l->route)->has_served, true);
	assert_int_equal(open_lease(f, 0, 0, "ech-x." ROOT, false, &l), ERR_OK);
	assert_int_equal(open_lease(f, 0, 0, "ech-y." ROOT, false, &l), ERR_OK);
	expect_free(f, 3, 1, true); /* replaced by another one */
	fixture_free(f);
}

/* A request of another identity for the name and a port does not take the port. */
static void test_a_port_waits_for_the_holder_of_the_name(void **state)
{
	struct fixture *f = fixture_new_with_names();
	struct lease *first, *l;
	uint16_t port;

	(void)state;
	assert_int_equal(open_lease(f, 0, 0, NULL, true, &first), ERR_OK);
	assert_int_equal(open_lease(f, 1, 1, NULL, true, &l), ERR_OK);
	atomic_store(&lease_route_of(l->route)->has_served, true);
	port = l->route->tcp_port;
	lease_end(f->table, first, LEASE_UNREGISTERED);
	clock_advance(60000);
	restart(f);
	for (int i = 0; i < 3; i++)
		assert_int_equal(open_lease(f, 1, 2, NULL, true, &l), ERR_EXISTS);
	assert_int_equal(open_lease(f, 2, 2, NULL, true, &l), ERR_OK);
	assert_int_not_equal(l->route->tcp_port, port);
	assert_int_equal(open_lease(f, 1, 1, NULL, true, &l), ERR_OK);
	assert_int_equal(l->route->tcp_port, port);
	lease_end(f->table, l, LEASE_EXPIRED);
	for (int i = 0; i < 3; i++)
		assert_int_equal(open_lease(f, 1, 2, NULL, true, &l), ERR_EXISTS);
	assert_int_equal(open_lease(f, 1, 1, NULL, true, &l), ERR_OK);
	assert_int_equal(l->route->tcp_port, port);
	fixture_free(f);
}

/* ---- the model ---- */

struct model_lease {
	bool is_there;
	unsigned name, owner;
	char host[80], hash_of[80]; /* "": no hash */
	uint64_t until_ms;
	bool has_port;
};

struct model {
	struct model_lease v[NAMES * OWNERS];
};

/* portal-protocol 7.3, word by word; hashes are compared by their hosts. */
static bool model_overlaps(const struct model_lease *a, const struct model_lease *b)
{
	return strcmp(a->host, b->host) == 0 ||
		(a->hash_of[0] != '\0' && strcmp(a->hash_of, b->hash_of) == 0) ||
		strcmp(a->host, b->hash_of) == 0 || strcmp(b->host, a->hash_of) == 0;
}

static struct model_lease model_lease_of(unsigned name, unsigned owner,
	const char *route_host, uint64_t until_ms)
{
	struct model_lease m = {
		.is_there = true,
		.name = name,
		.owner = owner,
		.until_ms = until_ms,
	};

	snprintf(m.host, sizeof(m.host), "%s.%s", names[name], ROOT);
	if (route_host != NULL) {
		str_copy(m.hash_of, sizeof(m.hash_of), m.host);
		str_copy(m.host, sizeof(m.host), route_host);
	}
	return m;
}

static bool model_open(struct model *model, const struct model_lease *m, uint64_t now_ms)
{
	for (unsigned i = 0; i < NAMES * OWNERS; i++) {
		struct model_lease *other = &model->v[i];
		bool is_self = other->name == m->name && other->owner == m->owner;

		if (!other->is_there || is_self || !model_overlaps(other, m))
			continue;
		if (other->until_ms > now_ms)
			return false;
		other->is_there = false;
	}
	model->v[m->name * OWNERS + m->owner] = *m;
	return true;
}

/* Expired leases may be swept or not. */
static void model_compare(const struct model *model, struct fixture *f)
{
	char key[IDENTITY_KEY_SIZE];
	uint64_t now_ms = clock_wall_ms();

	for (unsigned i = 0; i < NAMES * OWNERS; i++) {
		const struct model_lease *m = &model->v[i];
		struct lease *l = lease_find(f->table,
			identity_key_print(names[i / OWNERS], addresses[i % OWNERS],
				key));
		bool is_live = l != NULL && atomic_load(&l->route->until_ms) > now_ms;

		assert_int_equal(is_live, m->is_there && m->until_ms > now_ms);
		if (!is_live)
			continue;
		assert_string_equal(l->route->host, m->host);
		assert_true(has_route(f, m->host, l));
		if (m->hash_of[0] != '\0')
			assert_true(has_route(f, m->hash_of, l));
	}
}

static void step_open(struct model *model, struct fixture *f)
{
	unsigned name = rand_below(NAMES), owner = rand_below(OWNERS);
	const char *host = hosts[rand_below(mem_count(hosts))];
	struct model_lease m = model_lease_of(name, owner, host,
		clock_wall_ms() + 120000);
	struct lease *l;
	enum err rc;

	rc = open_lease(f, name, owner, host, host == NULL && rand_below(8) == 0, &l);
	if (rc == ERR_NOENT)
		return; /* no port was free: no change */
	assert_int_equal(rc,
		model_open(model, &m, clock_wall_ms()) ? ERR_OK : ERR_EXISTS);
}

static void step_end(struct model *model, struct fixture *f)
{
	unsigned i = rand_below(NAMES * OWNERS);
	char key[IDENTITY_KEY_SIZE];
	struct lease *l = lease_find(f->table,
		identity_key_print(names[i / OWNERS], addresses[i % OWNERS], key));

	if (l != NULL)
		lease_end(f->table, l, LEASE_UNREGISTERED);
	model->v[i].is_there = false;
}

static void step_sweep(struct model *model, struct fixture *f)
{
	lease_sweep(f->table, clock_wall_ms());
	for (unsigned i = 0; i < NAMES * OWNERS; i++)
		if (model->v[i].until_ms <= clock_wall_ms())
			model->v[i].is_there = false;
}

/* No two live leases have a port in common. */
static void check_ports(struct fixture *f)
{
	bool taken[PORTS] = { false };
	struct list *it, *tmp;

	list_each(it, tmp, lease_table_all(f->table)) {
		struct lease *l = list_object(it, struct lease, in_table);

		if (l->tcp_fd < 0)
			continue;
		assert_in_range(l->route->tcp_port, f->port_min, f->port_min + PORTS - 1);
		assert_false(taken[l->route->tcp_port - f->port_min]);
		taken[l->route->tcp_port - f->port_min] = true;
	}
}

static void test_one_holder_for_each_name_and_port(void **state)
{
	struct fixture *f = fixture_new();
	static struct model model;
	uint64_t seed;

	(void)state;
	rand_bytes(&seed, sizeof(seed));
	print_message("seed %llu\n", (unsigned long long)seed);
	rand_seed_for_tests(seed);
	for (unsigned i = 0; i < STEPS; i++) {
		switch (rand_below(8)) {
		case 0:
			step_end(&model, f);
			break;
		case 1:
			clock_advance(rand_below(60000));
			break;
		case 2:
			step_sweep(&model, f);
			break;
		default:
			step_open(&model, f);
			break;
		}
		model_compare(&model, f);
		check_ports(f);
	}
	fixture_free(f);
}

int main(void)
{
	const struct CMUnitTest rows[] = {
		cmocka_unit_test(test_a_lease_is_found_by_both_of_its_hosts),
		cmocka_unit_test(test_another_identity_cannot_have_the_name),
		cmocka_unit_test(test_the_same_identity_replaces_its_lease),
		cmocka_unit_test(test_a_port_keeps_its_socket_in_the_next_lease),
		cmocka_unit_test(test_ports_are_limited),
		cmocka_unit_test(test_a_sweep_ends_expired_leases),
		cmocka_unit_test(test_a_lease_that_is_not_used_ends),
		cmocka_unit_test(test_leases_are_limited_for_each_network),
		cmocka_unit_test(test_an_expired_name_stays_reserved_for_its_holder),
		cmocka_unit_test(test_which_ends_reserve_the_name),
		cmocka_unit_test(test_a_holder_that_cannot_connect_keeps_the_name),
		cmocka_unit_test(test_names_stay_reserved_over_a_restart),
		cmocka_unit_test(test_route_hosts_are_names_too),
		cmocka_unit_test(test_a_port_waits_for_the_holder_of_the_name),
		cmocka_unit_test(test_one_holder_for_each_name_and_port),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
