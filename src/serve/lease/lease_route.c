/* The route of a lease. */
#include "serve/lease/lease_route.h"

#include "base/span.h"
#include "serve/lease/reverse_pool.h"
#include "tunnel/portal/hostname_hash.h"
#include "tunnel/portal/identity.h"

#define SIGN_BURST_S 10

_Static_assert(IDENTITY_KEY_SIZE <= ROUTE_OWNER_SIZE,
	"an owner of routes is an identity");
_Static_assert(HOSTNAME_HASH_SIZE <= ROUTE_ALIAS_SIZE, "a hash is an alias");

static enum err lease_open_carrier(struct route *r, struct loop *loop,
	atomic_uint_fast64_t *sessions, struct carrier **out)
{
	struct reverse_pool_options o = {
		.loop = loop,
		.ready = &r->present,
		.sessions = sessions,
	};
	struct reverse_pool *pool;
	enum err rc = reverse_pool_new(&o, &pool);

	if (rc == ERR_OK)
		*out = reverse_pool_carrier(pool);
	return rc;
}

static const struct route_ops lease_ops = { .open_carrier = lease_open_carrier };

bool lease_route_is(const struct route *r)
{
	return r->ops == &lease_ops;
}

struct lease_route *lease_route_new(void)
{
	struct lease_route *r = mem_new(r);

	if (r == NULL)
		return NULL;
	r->route.ops = &lease_ops;
	atomic_init(&r->route.refs, 1);
	return r;
}

/* A bucket that leaks @per_s: sign_due_us is when it will be empty (GCRA). */
bool lease_route_may_sign(struct lease_route *r, uint32_t per_s, uint64_t now_us)
{
	uint64_t due = atomic_load(&r->sign_due_us), next;
	uint64_t step = 1000000 / (per_s > 0 ? per_s : 1);

	if (per_s == 0)
		return true;
	do {
		next = (due > now_us ? due : now_us) + step;
		if (next > now_us + SIGN_BURST_S * UINT64_C(1000000))
			return false;
	} while (!atomic_compare_exchange_weak(&r->sign_due_us, &due, next));
	return true;
}

bool lease_route_alias(const char *host, char alias[ROUTE_ALIAS_SIZE])
{
	return hostname_hash(span_str(host), alias, NULL) == ERR_OK;
}
