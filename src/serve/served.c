/* Routes on their data worker: a carrier, a port, and what those of one owner share. */
#include "serve/served.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "serve/visitor.h"

/* ---- owners ---- */

static struct owner *owner_find(struct data_worker *d, const char *name)
{
	struct map_node *node = map_find(&d->owners, span_str(name));

	return node != NULL ? map_object(node, struct owner, by_name) : NULL;
}

/* A reference; NULL: out of memory. */
static struct owner *owner_get(struct data_worker *d, const char *name)
{
	struct owner *o = owner_find(d, name);

	if (o != NULL) {
		o->refs++;
		return o;
	}
	o = mem_new(o);
	if (o == NULL)
		return NULL;
	if (throttle_bucket_new(d->worker.loop, 0, &o->bucket) != ERR_OK) {
		free(o);
		return NULL;
	}
	o->refs = 1;
	list_init(&o->visitors);
	str_copy(o->name, sizeof(o->name), name);
	map_add(&d->owners, &o->by_name, span_str(o->name));
	return o;
}

static void owner_unref(struct data_worker *d, struct owner *o)
{
	if (o == NULL || --o->refs > 0)
		return;
	map_remove(&d->owners, &o->by_name);
	if (o->extra != NULL)
		o->extra_free(o->extra);
	throttle_bucket_unref(o->bucket);
	free(o);
}

static void owner_cut(struct owner *o)
{
	struct list *it, *tmp;

	list_each(it, tmp, &o->visitors) {
		struct visit *v = list_object(it, struct visit, in_owner);

		v->cut(v);
	}
}

void served_set_rate(struct data_worker *d, const char *owner, uint64_t bytes_per_s)
{
	struct owner *o = owner_find(d, owner);

	if (o != NULL)
		throttle_bucket_set_rate(o->bucket, bytes_per_s);
}

/* ---- routes ---- */

static void served_on_accept(void *arg, int fd, const struct addr *peer)
{
	visitor_claim_take(arg, fd, peer, true);
}

/* @carrier: NULL: it is made. */
static enum err served_make(struct data_worker *d, struct route *r,
	struct carrier *carrier)
{
	struct served *s = mem_new(s);
	enum err rc = ERR_OK;

	if (s == NULL)
		return ERR_NOMEM;
	s->refs = 1;
	s->worker = d;
	s->route = route_ref(r);
	s->owner = owner_get(d, r->owner);
	list_init(&s->in_worker);
	if (s->owner == NULL)
		rc = ERR_NOMEM;
	else if (carrier == NULL)
		rc = r->ops->open_carrier(r, d->worker.loop, &d->stats.sessions,
			&carrier);
	if (rc != ERR_OK) {
		served_unref(s);
		return rc;
	}
	s->carrier = carrier;
	r->served = s;
	list_add(&d->served, &s->in_worker);
	return ERR_OK;
}

enum err served_open_by(struct data_worker *d, struct route *r, struct carrier *carrier)
{
	if (d->state != DATA_SERVING)
		return ERR_CLOSED;
	return r->served != NULL ? ERR_EXISTS : served_make(d, r, carrier);
}

struct served *served_get(struct data_worker *d, struct route *r)
{
	if (r->served == NULL && !r->is_over && d->state == DATA_SERVING &&
		r->ops->open_carrier != NULL)
		(void)!served_make(d, r, NULL); /* out of memory: it is not served */
	return r->served;
}

struct served *served_get_next(struct data_worker *d, const struct route *was)
{
	struct route *r = route_find_by_owner(d->shared->routes, was->owner);
	struct served *s = NULL;

	if (r != NULL && r != was && r->worker == was->worker &&
		route_is_live(r, clock_wall_ms()))
		s = served_get(d, r);
	route_unref(r);
	return s;
}

enum err served_open(struct data_worker *d, struct route *r, int tcp_fd,
	uint64_t bytes_per_s)
{
	struct served *s;

	r->is_over = false;
	s = served_get(d, r);
	if (s == NULL)
		return ERR_NOMEM;
	throttle_bucket_set_rate(s->owner->bucket, bytes_per_s);
	if (tcp_fd < 0 || s->port != NULL)
		return tcp_fd < 0 ? ERR_OK : ERR_EXISTS;
	return listener_adopt_take(d->worker.loop, tcp_fd, served_on_accept, s, &s->port,
		NULL);
}

struct served *served_ref(struct served *s)
{
	s->refs++;
	return s;
}

void served_unref(struct served *s)
{
	if (s == NULL || --s->refs > 0)
		return;
	owner_unref(s->worker, s->owner);
	route_unref(s->route);
	free(s);
}

void served_close(struct served *s, bool cuts_bridges)
{
	list_remove(&s->in_worker);
	s->route->served = NULL;
	listener_close(s->port);
	s->port = NULL;
	if (s->extra != NULL)
		s->extra_end(s->extra);
	s->extra = NULL;
	carrier_close(s->carrier);
	s->carrier = NULL;
	if (cuts_bridges && s->owner != NULL)
		owner_cut(s->owner);
	served_unref(s);
}

void served_cut(struct data_worker *d, const char *owner)
{
	struct owner *o = owner_find(d, owner);

	if (o == NULL)
		return;
	o->refs++; /* the last visitor may be all that has it */
	owner_cut(o);
	owner_unref(d, o);
}

void served_close_all(struct data_worker *d)
{
	struct list *it, *tmp;

	list_each(it, tmp, &d->served)
		served_close(list_object(it, struct served, in_worker), false);
}
