/* Routes on their data worker: a carrier, a port, and what those of one owner share. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "serve/relay_data.h"

/* ---- owners ---- */

static struct owner *owner_find(struct relay_data *d, const char *name)
{
	struct map_node *node = map_find(&d->owners, span_str(name));

	return node != NULL ? map_object(node, struct owner, by_name) : NULL;
}

/* A reference; NULL: out of memory. */
static struct owner *owner_get(struct relay_data *d, const char *name)
{
	struct owner *o = owner_find(d, name);

	if (o != NULL) {
		o->refs++;
		return o;
	}
	o = mem_new(o);
	if (o == NULL)
		return NULL;
	if (throttle_bucket_new(data_loop(d), 0, &o->bucket) != ERR_OK) {
		free(o);
		return NULL;
	}
	o->refs = 1;
	list_init(&o->visitors);
	str_copy(o->name, sizeof(o->name), name);
	map_add(&d->owners, &o->by_name, span_str(o->name));
	return o;
}

static void owner_unref(struct relay_data *d, struct owner *o)
{
	if (o == NULL || --o->refs > 0)
		return;
	map_remove(&d->owners, &o->by_name);
	throttle_bucket_unref(o->bucket);
	free(o);
}

void served_set_rate(struct relay_data *d, const char *owner, uint64_t bytes_per_s)
{
	struct owner *o = owner_find(d, owner);

	if (o != NULL)
		throttle_bucket_set_rate(o->bucket, bytes_per_s);
}

/* ---- routes ---- */

static void lease_on_accept(void *arg, int fd, const struct addr *peer)
{
	visitor_claim_take(arg, fd, peer, true);
}

/* @carrier: NULL: it is made. */
static enum err lease_open(struct relay_data *d, struct route *r, struct carrier *carrier)
{
	struct served *l = mem_new(l);
	enum err rc = ERR_OK;

	if (l == NULL)
		return ERR_NOMEM;
	l->refs = 1;
	l->data = d;
	l->route = route_ref(r);
	l->owner = owner_get(d, r->owner);
	list_init(&l->in_data);
	if (l->owner == NULL)
		rc = ERR_NOMEM;
	else if (carrier == NULL)
		rc = r->ops->open_carrier(r, data_loop(d), &d->worker->figures.sessions,
			&carrier);
	if (rc != ERR_OK) {
		served_unref(l);
		return rc;
	}
	l->carrier = carrier;
	r->served = l;
	list_add(&d->leases, &l->in_data);
	return ERR_OK;
}

enum err served_open_by(struct relay_data *d, struct route *r, struct carrier *carrier)
{
	if (d->state != DATA_SERVING)
		return ERR_CLOSED;
	return r->served != NULL ? ERR_EXISTS : lease_open(d, r, carrier);
}

struct served *served_get(struct relay_data *d, struct route *r)
{
	if (r->served == NULL && !r->is_over && d->state == DATA_SERVING &&
		r->ops->open_carrier != NULL)
		(void)!lease_open(d, r, NULL); /* out of memory: it is not served */
	return r->served;
}

struct served *served_get_next(struct relay_data *d, const struct route *was)
{
	struct route *r = route_find_by_owner(d->shared->routes, was->owner);
	struct served *l = NULL;

	if (r != NULL && r != was && r->worker == was->worker &&
		route_is_live(r, clock_wall_ms()))
		l = served_get(d, r);
	route_unref(r);
	return l;
}

enum err served_open(struct relay_data *d, struct route *r, int tcp_fd,
	uint64_t bytes_per_s)
{
	struct served *l;

	r->is_over = false;
	l = served_get(d, r);
	if (l == NULL)
		return ERR_NOMEM;
	throttle_bucket_set_rate(l->owner->bucket, bytes_per_s);
	if (tcp_fd < 0 || l->port != NULL)
		return tcp_fd < 0 ? ERR_OK : ERR_EXISTS;
	return listener_adopt_take(data_loop(d), tcp_fd, lease_on_accept, l, &l->port,
		NULL);
}

void served_unref(struct served *l)
{
	if (l == NULL || --l->refs > 0)
		return;
	owner_unref(l->data, l->owner);
	route_unref(l->route);
	free(l);
}

void served_close(struct served *l, bool cuts_bridges)
{
	list_remove(&l->in_data);
	l->route->served = NULL;
	listener_close(l->port);
	l->port = NULL;
	carrier_close(l->carrier);
	l->carrier = NULL;
	if (cuts_bridges && l->owner != NULL)
		visitor_cut(&l->owner->visitors);
	served_unref(l);
}

void served_cut(struct relay_data *d, const char *owner)
{
	struct owner *o = owner_find(d, owner);

	if (o == NULL)
		return;
	o->refs++; /* the last visitor may be all that has it */
	visitor_cut(&o->visitors);
	owner_unref(d, o);
}

void served_close_all(struct relay_data *d)
{
	struct list *it, *tmp;

	list_each(it, tmp, &d->leases)
		served_close(list_object(it, struct served, in_data), false);
}
