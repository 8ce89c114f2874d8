/*
 * Limits of a tunnel. A rate is a bucket that leaks (GCRA): due_us is when it will be
 * empty. A client without connections is remembered until its bucket is empty.
 */
#include "edge/edge_limits.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "net/prefix.h"

#define SECOND_US UINT64_C(1000000)
#define IP6_BITS 64

struct edge_client {
	struct map_node by_prefix;
	struct list in_quiet; /* while it has no connections */
	struct prefix prefix;
	uint32_t connections;
	uint64_t due_us;
};

struct edge_limits {
	struct map clients;
	struct list quiet; /* the one that has been quiet longest is first */
	uint32_t connections;
	uint64_t due_us;
};

enum err edge_limits_new(struct edge_limits **out)
{
	struct edge_limits *l = mem_new(l);

	if (l == NULL)
		return ERR_NOMEM;
	map_init(&l->clients);
	list_init(&l->quiet);
	*out = l;
	return ERR_OK;
}

static void client_free(struct edge_limits *l, struct edge_client *c)
{
	list_remove(&c->in_quiet);
	map_remove(&l->clients, &c->by_prefix);
	free(c);
}

void edge_limits_free(struct edge_limits *l)
{
	struct map_node *it, *tmp;

	if (l == NULL)
		return;
	map_each(it, tmp, &l->clients)
		client_free(l, map_object(it, struct edge_client, by_prefix));
	map_fini(&l->clients);
	free(l);
}

size_t edge_limits_clients(const struct edge_limits *l)
{
	return l->clients.count;
}

/* Forgets clients that are owed nothing, and the oldest quiet one if there are too
 * many. */
static void limits_tidy(struct edge_limits *l)
{
	struct edge_client *first;
	uint64_t now = clock_now_us();

	while ((first = list_first(&l->quiet, struct edge_client, in_quiet)) != NULL &&
		(first->due_us <= now || l->clients.count >= EDGE_CLIENTS_MAX))
		client_free(l, first);
}

static struct edge_client *client_get(struct edge_limits *l, const struct addr *peer)
{
	struct prefix prefix;
	struct map_node *node;
	struct edge_client *c;

	memset(&prefix, 0, sizeof(prefix));
	if (!prefix_of_client(peer, IP6_BITS, &prefix))
		memset(&prefix, 0, sizeof(prefix)); /* all that have no address are one */
	node = map_find(&l->clients, span_of(&prefix, sizeof(prefix)));
	if (node != NULL)
		return map_object(node, struct edge_client, by_prefix);
	limits_tidy(l);
	c = l->clients.count < EDGE_CLIENTS_MAX ? mem_new(c) : NULL;
	if (c == NULL)
		return NULL;
	list_init(&c->in_quiet);
	c->prefix = prefix;
	map_add(&l->clients, &c->by_prefix, span_of(&c->prefix, sizeof(c->prefix)));
	return c;
}

static bool is_above(uint32_t count, uint64_t max)
{
	return max > 0 && count > max;
}

enum edge_admission edge_limits_connect(struct edge_limits *l,
	const struct tunnel_limits *max, const struct addr *peer,
	struct edge_client **out)
{
	struct edge_client *c = client_get(l, peer);

	if (c == NULL)
		return EDGE_REFUSED;
	list_remove(&c->in_quiet);
	c->connections++;
	l->connections++;
	if (is_above(l->connections, 2 * (uint64_t)max->connections) ||
		is_above(c->connections, 2 * (uint64_t)max->client_connections)) {
		edge_limits_disconnect(l, c);
		return EDGE_REFUSED;
	}
	*out = c;
	return is_above(l->connections, max->connections) ||
			is_above(c->connections, max->client_connections) ?
		EDGE_EXCESS :
		EDGE_ADMITTED;
}

void edge_limits_disconnect(struct edge_limits *l, struct edge_client *c)
{
	l->connections--;
	if (--c->connections > 0)
		return;
	if (c->due_us <= clock_now_us())
		client_free(l, c);
	else
		list_add(&l->quiet, &c->in_quiet);
}

/* When the bucket is empty after one more; 0: it has room, and *@due is set. */
static uint64_t bucket_wait_us(uint64_t due, uint32_t per_s, uint64_t now, uint64_t *next)
{
	uint64_t most = now + TUNNEL_BURST_S * SECOND_US;

	*next = due;
	if (per_s == 0)
		return 0;
	*next = (due > now ? due : now) + SECOND_US / per_s;
	return *next > most ? *next - most : 0;
}

uint32_t edge_limits_request(struct edge_limits *l, const struct tunnel_limits *max,
	struct edge_client *c)
{
	uint64_t now, all, one, wait, other;

	if (max->requests_per_s == 0 && max->client_requests_per_s == 0)
		return 0;
	now = clock_now_us();
	wait = bucket_wait_us(l->due_us, max->requests_per_s, now, &all);
	other = bucket_wait_us(c->due_us, max->client_requests_per_s, now, &one);
	wait = wait > other ? wait : other;
	if (wait > 0)
		return (uint32_t)((wait + SECOND_US - 1) / SECOND_US);
	l->due_us = all;
	c->due_us = one;
	return 0;
}
