/* Limits of a tunnel; the test owns the clock. */
#include "edge/edge_limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/clock.h"

static struct addr peer(const char *text)
{
	struct addr a;

	assert_int_equal(addr_from_literal(text, 5000, &a), ERR_OK);
	return a;
}

static struct edge_client *connect_from(struct edge_limits *l,
	const struct tunnel_limits *max, const char *from, enum edge_admission expected)
{
	struct edge_client *c = NULL;
	struct addr a = peer(from);

	assert_int_equal(edge_limits_connect(l, max, &a, &c), expected);
	assert_int_equal(c == NULL, expected == EDGE_REFUSED);
	return c;
}

static int setup(void **state)
{
	struct edge_limits *l;

	clock_freeze(1000000);
	assert_int_equal(edge_limits_new(&l), ERR_OK);
	*state = l;
	return 0;
}

static int teardown(void **state)
{
	edge_limits_free(*state);
	return 0;
}

static void test_a_client_has_so_many_connections(void **state)
{
	struct edge_limits *l = *state;
	const struct tunnel_limits max = { .client_connections = 2 };
	struct edge_client *c[4];

	for (int i = 0; i < 4; i++)
		c[i] = connect_from(l, &max, "192.0.2.1",
			i < 2 ? EDGE_ADMITTED : EDGE_EXCESS);
	connect_from(l, &max, "192.0.2.1", EDGE_REFUSED);
	edge_limits_disconnect(l, connect_from(l, &max, "192.0.2.2", EDGE_ADMITTED));
	for (int i = 0; i < 3; i++)
		edge_limits_disconnect(l, c[i]);
	edge_limits_disconnect(l, connect_from(l, &max, "192.0.2.1", EDGE_ADMITTED));
	edge_limits_disconnect(l, c[3]);
	assert_int_equal(edge_limits_clients(l), 0);
}

static void test_a_network_of_ipv6_is_one_client(void **state)
{
	struct edge_limits *l = *state;
	const struct tunnel_limits max = { .client_connections = 1 };
	struct edge_client *a = connect_from(l, &max, "2001:db8::1", EDGE_ADMITTED);
	struct edge_client *b = connect_from(l, &max, "2001:db8::2", EDGE_EXCESS);
	struct edge_client *c = connect_from(l, &max, "2001:db8:0:1::1", EDGE_ADMITTED);

	assert_ptr_equal(a, b);
	assert_int_equal(edge_limits_clients(l), 2);
	edge_limits_disconnect(l, a);
	edge_limits_disconnect(l, b);
	edge_limits_disconnect(l, c);
}

static void test_a_tunnel_has_so_many_connections(void **state)
{
	struct edge_limits *l = *state;
	const struct tunnel_limits max = { .connections = 1 };
	struct edge_client *a = connect_from(l, &max, "192.0.2.1", EDGE_ADMITTED);
	struct edge_client *b = connect_from(l, &max, "192.0.2.2", EDGE_EXCESS);

	connect_from(l, &max, "192.0.2.3", EDGE_REFUSED);
	edge_limits_disconnect(l, a);
	edge_limits_disconnect(l, b);
	assert_int_equal(edge_limits_clients(l), 0);
}

static void test_requests_of_a_client_have_a_rate(void **state)
{
	struct edge_limits *l = *state;
	const struct tunnel_limits max = { .client_requests_per_s = 2 };
	struct edge_client *c = connect_from(l, &max, "192.0.2.1", EDGE_ADMITTED);
	struct edge_client *other = connect_from(l, &max, "192.0.2.2", EDGE_ADMITTED);

	for (int i = 0; i < 2 * TUNNEL_BURST_S; i++)
		assert_int_equal(edge_limits_request(l, &max, c), 0);
	assert_int_equal(edge_limits_request(l, &max, c), 1);
	assert_int_equal(edge_limits_request(l, &max, other), 0);
	clock_advance(500);
	assert_int_equal(edge_limits_request(l, &max, c), 0);
	assert_int_equal(edge_limits_request(l, &max, c), 1);

	/* Coming back on another connection empties nothing. */
	edge_limits_disconnect(l, c);
	assert_int_equal(edge_limits_clients(l), 2);
	c = connect_from(l, &max, "192.0.2.1", EDGE_ADMITTED);
	assert_int_equal(edge_limits_request(l, &max, c), 1);
	edge_limits_disconnect(l, c);
	edge_limits_disconnect(l, other);

	/* It is forgotten when that cannot matter any more. */
	clock_advance(TUNNEL_BURST_S * 1000);
	edge_limits_disconnect(l, connect_from(l, &max, "192.0.2.3", EDGE_ADMITTED));
	assert_int_equal(edge_limits_clients(l), 0);
}

static void test_requests_of_a_tunnel_have_a_rate(void **state)
{
	struct edge_limits *l = *state;
	struct tunnel_limits max = { .requests_per_s = 1, .client_requests_per_s = 1000 };
	struct edge_client *a = connect_from(l, &max, "192.0.2.1", EDGE_ADMITTED);
	struct edge_client *b = connect_from(l, &max, "192.0.2.2", EDGE_ADMITTED);

	for (int i = 0; i < TUNNEL_BURST_S; i++)
		assert_int_equal(edge_limits_request(l, &max, i % 2 ? a : b), 0);
	assert_int_equal(edge_limits_request(l, &max, a), 1);
	assert_int_equal(edge_limits_request(l, &max, b), 1);
	max.requests_per_s = 0;
	assert_int_equal(edge_limits_request(l, &max, b), 0);
	edge_limits_disconnect(l, a);
	edge_limits_disconnect(l, b);
}

static void test_addresses_are_not_remembered_without_bound(void **state)
{
	struct edge_limits *l = *state;
	const struct tunnel_limits max = { .client_requests_per_s = 1 };
	struct edge_client *c;
	char text[32];

	for (unsigned i = 0; i < EDGE_CLIENTS_MAX + 100; i++) {
		snprintf(text, sizeof(text), "10.0.%u.%u", i / 256, i % 256);
		c = connect_from(l, &max, text, EDGE_ADMITTED);
		assert_int_equal(edge_limits_request(l, &max, c), 0);
		edge_limits_disconnect(l, c);
	}
	assert_int_equal(edge_limits_clients(l), EDGE_CLIENTS_MAX);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_client_has_so_many_connections),
		TEST(test_a_network_of_ipv6_is_one_client),
		TEST(test_a_tunnel_has_so_many_connections),
		TEST(test_requests_of_a_client_have_a_rate),
		TEST(test_requests_of_a_tunnel_have_a_rate),
		TEST(test_addresses_are_not_remembered_without_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
