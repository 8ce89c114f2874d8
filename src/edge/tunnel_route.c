/* The route of a panel tunnel. */
#include "edge/tunnel_route.h"

#include "base/mem.h"
#include "edge/edge_service.h"

const struct tunnel_limits tunnel_limits_default = {
	.connections = 4096,
	.client_connections = 512,
	.client_requests_per_s = 200,
	.idle_ms = 24 * 60 * 60 * 1000,
};

struct tunnel_route *tunnel_route_new(const struct route_ops *ops)
{
	struct tunnel_route *t = mem_new(t);

	if (t != NULL)
		tunnel_route_init(t, ops);
	return t;
}

void tunnel_route_init(struct tunnel_route *t, const struct route_ops *ops)
{
	t->route.ops = ops;
	t->limits = tunnel_limits_default;
	atomic_init(&t->route.refs, 1);
	atomic_init(&t->route.is_routable, true);
	atomic_init(&t->route.until_ms, UINT64_MAX);
}

struct tunnel_route *tunnel_route_of(struct route *r)
{
	if (r->ops->serve_take != edge_serve_take)
		return NULL;
	return mem_container(r, struct tunnel_route, route);
}
