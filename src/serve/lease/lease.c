/*
 * The table of leases. A route claims the hash of its host and, if that is a route host,
 * the hash of the name behind it. Two leases conflict if they have a claim in common: the
 * rules of portal-protocol 7.3 amount to that.
 */
#include "serve/lease/lease.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/siphash.h"
#include "base/str.h"
#include "serve/lease/ports.h"
#include "serve/lease/reservation.h"

#define NETWORK_IP6_BITS 48 /* the largest prefix of one customer */

struct lease_table {
	struct lease_table_options o;
	struct ports *ports;
	struct siphash_key spread;       /* of leases over workers */
	uint32_t per_network;            /* names; 0: no bound */
	const struct prefix_set *exempt; /* borrowed; NULL: no network is */
	struct list all;
	int64_t first_registration, last_registration; /* issued since the start */
	struct map by_owner, by_claim[LEASE_CLAIMS];
};

/* A lease had that port before the start. */
static void table_on_port(void *arg, const char *label, uint16_t port)
{
	struct lease_table *table = arg;

	ports_remember(table->ports, label, port, clock_wall_ms());
}

enum err lease_table_new(const struct lease_table_options *o, struct lease_table **out)
{
	struct lease_table *table = mem_new(table);
	enum err rc;

	if (table == NULL)
		return ERR_NOMEM;
	table->o = *o;
	siphash_key_make(&table->spread);
	map_init(&table->by_owner);
	for (unsigned i = 0; i < LEASE_CLAIMS; i++)
		map_init(&table->by_claim[i]);
	/* Numbers of an earlier start are smaller. */
	table->first_registration = (int64_t)clock_wall_ms();
	table->last_registration = table->first_registration - 1;
	list_init(&table->all);
	rc = ports_new(o->host, o->port_min, o->port_max, &table->ports);
	if (rc == ERR_OK && o->names != NULL)
		reservations_each_port(o->names, table_on_port, table);
	if (rc == ERR_OK)
		*out = table;
	else
		lease_table_free(table);
	return rc;
}

void lease_describe(const struct lease *lease, const char *root,
	struct message_public_lease *out)
{
	struct route *r = lease->route;

	*out = (struct message_public_lease){
		.expires_at = timefmt_of_ms(atomic_load(&r->until_ms)),
		.first_seen_at = timefmt_of_ms(lease->first_seen_ms),
		.last_seen_at = timefmt_of_ms(atomic_load(&lease_route_of(r)->seen_ms)),
		.tcp_enabled = r->tcp_port != 0,
		.metadata = lease->metadata,
		.ready = atomic_load(&r->present),
	};
	str_copy(out->name, sizeof(out->name), r->name);
	str_copy(out->hostname, sizeof(out->hostname), r->public_host);
	if (r->tcp_port != 0)
		snprintf(out->tcp_addr, sizeof(out->tcp_addr), "%s:%u", root,
			r->tcp_port);
}

struct list *lease_table_all(struct lease_table *table)
{
	return &table->all;
}

/* ---- look-up ---- */

bool lease_table_has_issued(const struct lease_table *table, int64_t registration)
{
	return registration >= table->first_registration &&
		registration <= table->last_registration;
}

void lease_table_remember_port(struct lease_table *table, const char *name, uint16_t port,
	uint64_t now_ms)
{
	ports_remember(table->ports, name, port, now_ms);
}

struct lease *lease_find(struct lease_table *table, const char *identity_key)
{
	struct map_node *node = map_find(&table->by_owner, span_str(identity_key));

	return node != NULL ? map_object(node, struct lease, by_owner) : NULL;
}

void lease_table_set_bounds(struct lease_table *table, uint32_t per_network,
	const struct prefix_set *exempt)
{
	table->per_network = per_network;
	table->exempt = exempt;
}

/* With 0 bits, clients may have any number of leases. */
static struct prefix network_of(const struct lease_table *table,
	const struct addr *client)
{
	struct prefix p;

	if ((table->exempt != NULL && prefix_set_has(table->exempt, client)) ||
		!prefix_of_client(client, NETWORK_IP6_BITS, &p))
		p = (struct prefix){ .bits = 0 };
	return p;
}

bool lease_table_is_full(struct lease_table *table, const char *name,
	const char *identity_key, const struct addr *client)
{
	struct prefix network = network_of(table, client);

	if (lease_find(table, identity_key) != NULL)
		return false;
	if (table->by_owner.count >= LEASE_TABLE_MAX)
		return true;
	return table->per_network > 0 && network.bits > 0 && table->o.names != NULL &&
		reservations_count(table->o.names, &network, name) >= table->per_network;
}

static bool lease_is_of(const struct lease *l, const char *identity_key)
{
	return strcmp(l->route->owner, identity_key) == 0;
}

/* One of another identity that claims the same, or NULL. */
static struct lease *lease_find_rival(struct lease_table *table, const struct lease *of)
{
	for (unsigned i = 0; i < LEASE_CLAIMS; i++) {
		const char *claim = of->claims[i];

		for (unsigned k = 0; k < LEASE_CLAIMS && claim[0] != '\0'; k++) {
			struct map_node *node = map_find(&table->by_claim[k],
				span_str(claim));

			for (; node != NULL; node = map_find_next(node)) {
				struct lease *l = map_object(node, struct lease,
					by_claim[k]);

				if (!lease_is_of(l, of->route->owner))
					return l;
			}
		}
	}
	return NULL;
}

/* ---- names ---- */

/* The labels of its hosts: its own name, and that of a route host if it has one. */
struct lease_labels {
	unsigned n;
	char v[LEASE_CLAIMS][NAMES_LABEL_MAX + 1];
};

static struct lease_labels lease_labels(const struct lease *l)
{
	const struct route *r = l->route;
	struct lease_labels labels = { .n = 1 };

	str_copy(labels.v[0], sizeof(labels.v[0]), r->name);
	if (strcmp(r->host, r->public_host) != 0) {
		snprintf(labels.v[1], sizeof(labels.v[1]), "%.*s",
			(int)strcspn(r->host, "."), r->host);
		labels.n++;
	}
	return labels;
}

static bool labels_have(const struct lease_labels *labels, const char *label)
{
	for (unsigned i = 0; i < labels->n; i++)
		if (strcmp(labels->v[i], label) == 0)
			return true;
	return false;
}

/* The address of the identity that has @label reserved; "" if there is none. */
static const char *label_holder(struct lease_table *table, const char *label)
{
	const char *holder = table->o.names == NULL ?
		NULL :
		reservations_holder(table->o.names, label);

	return holder != NULL ? holder : "";
}

/* Is one of its names reserved for another identity? */
static bool lease_is_barred(struct lease_table *table, const struct lease *l)
{
	struct lease_labels labels = lease_labels(l);

	for (unsigned i = 0; i < labels.n; i++) {
		const char *holder = label_holder(table, labels.v[i]);

		if (holder[0] != '\0' && strcmp(holder, l->address) != 0)
			return true;
	}
	return false;
}

static void lease_hold_names(struct lease_table *table, const struct lease *l)
{
	struct lease_labels labels = lease_labels(l);

	for (unsigned i = 0; i < labels.n && table->o.names != NULL; i++) {
		const struct reservation is = {
			.label = labels.v[i],
			.address = l->address,
			.until_ms = atomic_load(&l->route->until_ms),
			.tcp_port = i == 0 ? l->route->tcp_port : 0,
			.is_alias = i > 0,
			.is_stored = l->keeps_name,
			.network = l->network,
		};

		reservations_hold(table->o.names, &is);
	}
}

/* The names that @next, of the same identity, does not have; NULL: there is none. */
static void lease_release_names(struct lease_table *table, const struct lease *l,
	const struct lease *next, bool is_kept)
{
	struct lease_labels labels = lease_labels(l), others = { .n = 0 };

	if (next != NULL)
		others = lease_labels(next);
	for (unsigned i = 0; i < labels.n && table->o.names != NULL; i++)
		if (!labels_have(&others, labels.v[i]))
			reservations_release(table->o.names, labels.v[i], l->address,
				is_kept);
}

void lease_set_keeps_name(struct lease_table *table, struct lease *lease, bool keeps_name)
{
	lease->keeps_name = keeps_name;
	lease_hold_names(table, lease);
}

/* ---- the end ---- */

const char *lease_end_text(enum lease_end end)
{
	static const char *const texts[] = {
		[LEASE_EXPIRED] = "expired",
		[LEASE_UNUSED] = "no session was opened within 2 minutes",
		[LEASE_UNREGISTERED] = "unregistered",
		[LEASE_REPLACED] = "registered again",
		[LEASE_RESERVED] = "its name is reserved for the operator",
		[LEASE_BANNED] = "the address of its client is banned",
		[LEASE_FAILED] = "it cannot be served",
	};

	return texts[end];
}

static void lease_free(struct lease *l)
{
	if (l == NULL)
		return;
	if (l->tcp_fd >= 0)
		close(l->tcp_fd);
	field_fini(&message_metadata_fields, &l->metadata);
	route_unref(l->route);
	free(l);
}

void lease_end(struct lease_table *table, struct lease *lease, enum lease_end end)
{
	/* Without a session a lease reserves nothing: names would be free to collect. */
	const bool is_kept = lease->keeps_name &&
		(lease->is_known || lease_is_used(lease)) &&
		(end == LEASE_EXPIRED || end == LEASE_UNUSED || end == LEASE_FAILED);

	map_remove(&table->by_owner, &lease->by_owner);
	for (unsigned i = 0; i < LEASE_CLAIMS; i++)
		(void)map_remove(&table->by_claim[i], &lease->by_claim[i]);
	list_remove(&lease->in_table);
	if (end != LEASE_REPLACED)
		lease_release_names(table, lease, NULL, is_kept);
	route_remove(table->o.routes, lease->route);
	if (lease->tcp_fd >= 0) {
		/* The worker closes its copy of the socket later. It stops listening now,
		 * so that the port can be taken again at once. */
		(void)shutdown(lease->tcp_fd, SHUT_RDWR);
		ports_release(table->ports, lease->route->tcp_port, true,
			clock_wall_ms());
	}
	if (table->o.on_end != NULL)
		table->o.on_end(table->o.arg, lease, end);
	lease_free(lease);
}

bool lease_is_used(const struct lease *lease)
{
	return atomic_load(&lease_route_of(lease->route)->has_served);
}

void lease_end_banned(struct lease_table *table, const struct prefix_set *banned)
{
	struct list *it, *tmp;
	struct addr client;

	list_each(it, tmp, &table->all) {
		struct lease *l = list_object(it, struct lease, in_table);

		if (addr_from_literal(l->client_ip, 0, &client) == ERR_OK &&
			prefix_set_has(banned, &client))
			lease_end(table, l, LEASE_BANNED);
	}
}

void lease_sweep(struct lease_table *table, uint64_t now_ms)
{
	struct list *it, *tmp;

	list_each(it, tmp, &table->all) {
		struct lease *l = list_object(it, struct lease, in_table);

		if (atomic_load(&l->route->until_ms) <= now_ms)
			lease_end(table, l, LEASE_EXPIRED);
		else if (!lease_is_used(l) &&
			l->first_seen_ms + LEASE_UNUSED_MS <= now_ms)
			lease_end(table, l, LEASE_UNUSED);
	}
}

void lease_table_free(struct lease_table *table)
{
	struct lease *l;

	if (table == NULL)
		return;
	table->o.on_end = NULL;
	table->o.names = NULL; /* reservations outlive the table */
	while ((l = list_first(&table->all, struct lease, in_table)) != NULL)
		lease_end(table, l, LEASE_EXPIRED);
	map_fini(&table->by_owner);
	for (unsigned i = 0; i < LEASE_CLAIMS; i++)
		map_fini(&table->by_claim[i]);
	ports_free(table->ports);
	free(table);
}

/* ---- the beginning ---- */

static void lease_take_metadata(struct lease *l, struct message_metadata *metadata,
	const char *client_ip, const char *reported_ip)
{
	field_fini(&message_metadata_fields, &l->metadata);
	l->metadata = *metadata;
	*metadata = (struct message_metadata){ .hide = false };
	str_copy(l->client_ip, sizeof(l->client_ip), client_ip);
	str_copy(l->reported_ip, sizeof(l->reported_ip), reported_ip);
}

void lease_renew(struct lease_table *table, struct lease *lease,
	struct lease_renewal *renewal)
{
	lease_take_metadata(lease, renewal->metadata, renewal->client_ip,
		renewal->reported_ip);
	atomic_store(&lease->route->until_ms, renewal->until_ms);
	atomic_store(&lease_route_of(lease->route)->seen_ms, renewal->now_ms);
	lease_hold_names(table, lease);
}

static enum err lease_name_route(const struct lease_table *table,
	const struct lease_request *req, struct route *r, struct why *why)
{
	enum err rc = names_lease_host(span_str(req->name), span_str(table->o.root),
		r->public_host, why);

	if (rc != ERR_OK)
		return rc;
	identity_key_print(req->name, req->address, r->owner);
	str_copy(r->name, sizeof(r->name), req->name);
	str_copy(r->host, sizeof(r->host),
		req->route_host != NULL ? req->route_host : r->public_host);
	r->worker = (unsigned)(siphash(&table->spread, span_str(r->owner)) %
		table->o.workers);
	return req->route_host == NULL ?
		ERR_OK :
		hostname_hash(span_str(r->public_host), r->alias, why);
}

/* A lease that is not in the table, and has no port yet. */
static enum err lease_make(struct lease_table *table, const struct lease_request *req,
	struct lease **out, struct why *why)
{
	struct lease *l = mem_new(l);
	struct lease_route *r;
	struct addr client;
	enum err rc;

	if (l == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a lease");
	if (addr_from_literal(req->client_ip, 0, &client) == ERR_OK)
		l->network = network_of(table, &client);
	list_init(&l->in_table);
	l->tcp_fd = -1;
	l->first_seen_ms = req->now_ms;
	l->keeps_name = req->keeps_name;
	str_copy(l->address, sizeof(l->address), req->address);
	r = lease_route_new();
	if (r == NULL) {
		lease_free(l);
		return err_set(why, ERR_NOMEM, "no memory for a lease");
	}
	l->route = &r->route;
	r->registration = req->registration != 0 ? req->registration :
						   table->last_registration + 1;
	if (table->last_registration < r->registration)
		table->last_registration = r->registration;
	atomic_init(&l->route->is_routable, req->is_routable);
	atomic_init(&l->route->until_ms, req->until_ms);
	atomic_init(&r->seen_ms, req->now_ms);
	rc = lease_name_route(table, req, l->route, why);
	if (rc == ERR_OK)
		rc = hostname_hash(span_str(l->route->host), l->claims[0], why);
	if (rc != ERR_OK) {
		lease_free(l);
		return rc;
	}
	str_copy(l->claims[1], sizeof(l->claims[1]), l->route->alias);
	*out = l;
	return ERR_OK;
}

/* The port of @old, with its socket, if it has one. */
static enum err lease_take_port(struct lease_table *table, struct lease *l,
	const struct lease *old, uint64_t now_ms, struct why *why)
{
	if (old == NULL || old->tcp_fd < 0)
		return ports_take(table->ports, l->route->name, now_ms,
			&l->route->tcp_port, &l->tcp_fd, why);
	l->tcp_fd = fcntl(old->tcp_fd, F_DUPFD_CLOEXEC, 0);
	if (l->tcp_fd < 0)
		return err_set(why, ERR_NOMEM, "no descriptor for a port");
	l->route->tcp_port = old->route->tcp_port;
	return ERR_OK;
}

static unsigned lease_count_ports(struct lease_table *table, const char *but_of,
	uint64_t now_ms)
{
	struct list *it, *tmp;
	unsigned n = 0;

	list_each(it, tmp, &table->all) {
		struct lease *l = list_object(it, struct lease, in_table);

		n += l->tcp_fd >= 0 && !lease_is_of(l, but_of) &&
			atomic_load(&l->route->until_ms) > now_ms;
	}
	return n;
}

/* Checks for conflicts. Expired leases do not count. */
static enum err lease_check_conflicts(struct lease_table *table, const struct lease *l,
	const struct lease_request *req, struct why *why)
{
	struct lease *rival;

	while ((rival = lease_find_rival(table, l)) != NULL) {
		if (atomic_load(&rival->route->until_ms) > req->now_ms)
			return err_set(why, ERR_EXISTS, "hostname is already registered");
		lease_end(table, rival, LEASE_EXPIRED);
	}
	if (lease_is_barred(table, l))
		return err_set(why, ERR_EXISTS,
			"hostname is reserved for the identity that had it last");
	if (req->wants_tcp && req->tcp_max_leases > 0 &&
		lease_count_ports(table, l->route->owner, req->now_ms) >=
			req->tcp_max_leases)
		return err_set(why, ERR_LIMIT, "all TCP ports for leases are in use");
	return ERR_OK;
}

enum err lease_open(struct lease_table *table, struct lease_request *req,
	struct lease **out, struct why *why)
{
	struct lease *l = NULL, *old;
	enum err rc = lease_make(table, req, &l, why);

	if (rc != ERR_OK)
		return rc;
	old = lease_find(table, l->route->owner);
	rc = lease_check_conflicts(table, l, req, why);
	if (rc == ERR_OK && req->wants_tcp)
		rc = lease_take_port(table, l, old, req->now_ms, why);
	if (rc != ERR_OK) {
		lease_free(l);
		return rc;
	}
	route_put(table->o.routes, l->route);
	lease_take_metadata(l, req->metadata, req->client_ip, req->reported_ip);
	l->is_known = old != NULL ?
		old->is_known || lease_is_used(old) :
		strcmp(label_holder(table, req->name), l->address) == 0;
	if (old != NULL) {
		lease_release_names(table, old, l, false);
		if (l->tcp_fd >= 0 && old->tcp_fd >= 0) { /* the port is the new one's */
			close(old->tcp_fd);
			old->tcp_fd = -1;
		}
		lease_end(table, old, LEASE_REPLACED);
	}
	map_add(&table->by_owner, &l->by_owner, span_str(l->route->owner));
	for (unsigned i = 0; i < LEASE_CLAIMS; i++)
		if (l->claims[i][0] != '\0')
			map_add(&table->by_claim[i], &l->by_claim[i],
				span_str(l->claims[i]));
	list_add(&table->all, &l->in_table);
	lease_hold_names(table, l);
	*out = l;
	return ERR_OK;
}
