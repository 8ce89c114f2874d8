/* Watching DNS records: comparing addresses, and when to look again. */
#include "panel/dns_watch.h"

#include <ifaddrs.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "net/prefix.h"

/* ---- addresses ---- */

static bool is_v6(const struct addr *a)
{
	return a->sa.sa_family == AF_INET6;
}

static bool is_same(const struct addr *a, const struct addr *b)
{
	struct addr one = *a, other = *b;

	addr_set_port(&one, 0);
	addr_set_port(&other, 0);
	return addr_eq(&one, &other);
}

static bool is_own(const struct dns_own *own, const struct addr *a)
{
	bool found = false;

	for (unsigned i = 0; i < own->n; i++)
		found = found || is_same(&own->v[i], a);
	return found;
}

enum err dns_own_add(struct dns_own *own, const char *text)
{
	struct addr a;
	enum err rc = addr_from_literal(text, 0, &a);

	if (rc == ERR_OK && own->n < DNS_OWN_MAX && !is_own(own, &a))
		own->v[own->n++] = a;
	return rc;
}

void dns_own_add_interfaces(struct dns_own *own)
{
	struct prefix_set local = { .n = 0 };
	struct ifaddrs *all = NULL;

	if (prefix_set_add_local(&local) == ERR_OK && getifaddrs(&all) == 0) {
		for (struct ifaddrs *i = all; i != NULL && own->n < DNS_OWN_MAX;
			i = i->ifa_next) {
			struct addr a = { .n = 0 };

			if (i->ifa_addr == NULL)
				continue;
			if (i->ifa_addr->sa_family == AF_INET)
				a.n = sizeof(a.in);
			else if (i->ifa_addr->sa_family == AF_INET6)
				a.n = sizeof(a.in6);
			else
				continue;
			memcpy(&a.any, i->ifa_addr, a.n);
			if (!prefix_set_has(&local, &a) && !is_own(own, &a))
				own->v[own->n++] = a;
		}
		freeifaddrs(all);
	}
	prefix_set_fini(&local);
}

/* The first address of the family, or of any if there is none. "": none at all. */
static void print_own(const struct dns_own *own, bool wants_v6, char to[ADDR_TEXT_MAX])
{
	const struct addr *best = own->n > 0 ? &own->v[0] : NULL;

	for (unsigned i = own->n; i > 0; i--)
		if (is_v6(&own->v[i - 1]) == wants_v6)
			best = &own->v[i - 1];
	to[0] = '\0';
	if (best != NULL)
		addr_print_ip(best, to);
}

void dns_compare(const struct dns_own *own, const struct addr *found, unsigned n,
	struct path_dns *out)
{
	const struct addr *right = NULL, *wrong = NULL, *wrong_v6 = NULL;

	for (unsigned i = n; i > 0; i--) {
		const struct addr *a = &found[i - 1];

		if (is_own(own, a))
			right = a;
		else if (is_v6(a))
			wrong_v6 = a;
		else
			wrong = a;
	}
	out->found[0] = '\0';
	print_own(own, wrong == NULL && wrong_v6 != NULL, out->expected);
	if (n == 0) {
		out->state = PATH_DNS_MISSING;
		return;
	}
	if (own->n == 0)
		out->state = PATH_DNS_UNKNOWN;
	else if (wrong != NULL || (wrong_v6 != NULL && right == NULL))
		out->state = PATH_DNS_WRONG;
	else
		out->state = wrong_v6 != NULL ? PATH_DNS_WRONG_IP6 : PATH_DNS_RIGHT;
	addr_print_ip(wrong != NULL      ? wrong :
			wrong_v6 != NULL ? wrong_v6 :
					   right,
		out->found);
}

/* ---- names ---- */

struct dns_name {
	struct dns_watch *watch; /* borrowed: owns us */
	char host[NAMES_HOST_MAX + 1];
	struct map_node by_host;
	struct list in_queue;   /* none while it is looked up */
	uint64_t due_ms;        /* clock */
	struct resolve *lookup; /* NULL: none is under way */
	struct path_dns dns;
};

/* Both queues are in order of time, as each has one interval. */
struct dns_watch {
	struct dns_watch_options o;
	struct map by_host;
	struct list soon, later;
	unsigned lookups;
	struct loop_timer *timer;
};

static struct dns_name *name_of(const struct dns_watch *w, const char *host)
{
	struct map_node *node = map_find(&w->by_host, span_str(host));

	return node != NULL ? map_object(node, struct dns_name, by_host) : NULL;
}

/* The next one, or NULL. */
static struct dns_name *first_due(struct dns_watch *w)
{
	struct dns_name *a = list_first(&w->soon, struct dns_name, in_queue);
	struct dns_name *b = list_first(&w->later, struct dns_name, in_queue);

	if (a == NULL || b == NULL)
		return a != NULL ? a : b;
	return a->due_ms <= b->due_ms ? a : b;
}

static void watch_arm(struct dns_watch *w)
{
	const struct dns_name *next = first_due(w);
	const uint64_t now_ms = clock_now_ms();

	if (next == NULL || w->lookups >= DNS_LOOKUPS_MAX)
		loop_timer_stop(w->timer);
	else
		loop_timer_set(w->timer,
			next->due_ms > now_ms ? next->due_ms - now_ms : 0);
}

static void name_queue(struct dns_name *n)
{
	struct dns_watch *w = n->watch;
	const bool is_right = n->dns.state == PATH_DNS_RIGHT;

	n->due_ms = clock_now_ms() + (is_right ? DNS_RIGHT_MS : DNS_WRONG_MS);
	list_add(is_right ? &w->later : &w->soon, &n->in_queue);
}

/* If no name server answered, what was known stays. */
static void on_resolved(void *arg, enum err rc, const struct addr *addrs, unsigned count,
	const struct why *why)
{
	struct dns_name *n = arg;
	struct dns_watch *w = n->watch;
	struct path_dns is = { .state = PATH_DNS_UNKNOWN };
	bool is_changed = false;

	(void)why;
	n->lookup = NULL;
	w->lookups--;
	if (rc == ERR_OK || rc == ERR_NOENT) {
		dns_compare(&w->o.own, addrs, count, &is);
		is_changed = is.state != n->dns.state || n->dns.since_ms == 0;
		is.since_ms = is_changed ? clock_wall_ms() : n->dns.since_ms;
		n->dns = is;
	}
	name_queue(n);
	watch_arm(w);
	if (is_changed && w->o.on_change != NULL)
		w->o.on_change(w->o.arg, n->host);
}

static enum err name_look_up(struct dns_name *n)
{
	const struct dns_watch_options *o = &n->watch->o;

	return o->lookup(o->loop, o->server.n != 0 ? &o->server : NULL, n->host, 443,
		on_resolved, n, &n->lookup);
}

static void on_timer(void *arg)
{
	struct dns_watch *w = arg;
	struct dns_name *n;

	while (w->lookups < DNS_LOOKUPS_MAX && (n = first_due(w)) != NULL &&
		n->due_ms <= clock_now_ms()) {
		list_remove(&n->in_queue);
		if (name_look_up(n) == ERR_OK)
			w->lookups++;
		else
			name_queue(n); /* memory is out */
	}
	watch_arm(w);
}

/* ---- the watch ---- */

enum err dns_watch_open(const struct dns_watch_options *o, struct dns_watch **out)
{
	struct dns_watch *w = mem_new(w);
	enum err rc;

	if (w == NULL)
		return ERR_NOMEM;
	w->o = *o;
	if (w->o.lookup == NULL) {
		w->o.lookup = resolve_open_at;
		w->o.cancel = resolve_close;
	}
	map_init(&w->by_host);
	list_init(&w->soon);
	list_init(&w->later);
	rc = loop_timer_open(o->loop, on_timer, w, &w->timer);
	if (rc == ERR_OK)
		*out = w;
	else
		dns_watch_close(w);
	return rc;
}

static void name_free(struct dns_name *n)
{
	struct dns_watch *w = n->watch;

	if (n->lookup != NULL) {
		w->o.cancel(n->lookup);
		w->lookups--;
	}
	list_remove(&n->in_queue);
	map_remove(&w->by_host, &n->by_host);
	free(n);
}

void dns_watch_close(struct dns_watch *w)
{
	struct map_node *node, *next;

	if (w == NULL)
		return;
	map_each(node, next, &w->by_host)
		name_free(map_object(node, struct dns_name, by_host));
	map_fini(&w->by_host);
	loop_timer_close(w->timer);
	free(w);
}

enum err dns_watch_add(struct dns_watch *w, const char *host)
{
	struct dns_name *n;

	if (name_of(w, host) != NULL)
		return ERR_OK;
	n = mem_new(n);
	if (n == NULL)
		return ERR_NOMEM;
	n->watch = w;
	str_copy(n->host, sizeof(n->host), host);
	n->due_ms = clock_now_ms();
	map_add(&w->by_host, &n->by_host, span_str(n->host));
	list_add_front(&w->soon, &n->in_queue);
	watch_arm(w);
	return ERR_OK;
}

void dns_watch_remove(struct dns_watch *w, const char *host)
{
	struct dns_name *n = name_of(w, host);

	if (n == NULL)
		return;
	name_free(n);
	watch_arm(w);
}

void dns_watch_check(struct dns_watch *w, const char *host)
{
	struct dns_name *n = name_of(w, host);

	if (n == NULL || n->lookup != NULL)
		return;
	list_remove(&n->in_queue);
	n->due_ms = clock_now_ms();
	list_add_front(&w->soon, &n->in_queue);
	watch_arm(w);
}

bool dns_watch_find(const struct dns_watch *w, const char *host, struct path_dns *out)
{
	const struct dns_name *n = name_of(w, host);

	if (n != NULL)
		*out = n->dns;
	return n != NULL;
}
