/* Leases on their data worker: sessions, a port, and what an identity shares. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "relay/relay_data.h"

static struct list *bucket_of(struct relay_data *d, const char *owner)
{
	return &d->quotas[siphash(&d->hash, span_str(owner)) % DATA_BUCKETS];
}

/* ---- quotas ---- */

static struct quota *quota_find(struct relay_data *d, const char *owner)
{
	struct list *it, *tmp;

	list_each(it, tmp, bucket_of(d, owner)) {
		struct quota *q = list_object(it, struct quota, in_table);

		if (strcmp(q->owner, owner) == 0)
			return q;
	}
	return NULL;
}

/* A reference; NULL: out of memory. */
static struct quota *quota_get(struct relay_data *d, const char *owner)
{
	struct quota *q = quota_find(d, owner);

	if (q != NULL) {
		q->refs++;
		return q;
	}
	q = mem_new(q);
	if (q == NULL)
		return NULL;
	if (throttle_bucket_new(data_loop(d), 0, &q->bucket) != ERR_OK) {
		free(q);
		return NULL;
	}
	q->refs = 1;
	list_init(&q->visitors);
	str_copy(q->owner, sizeof(q->owner), owner);
	list_add(bucket_of(d, owner), &q->in_table);
	return q;
}

static void quota_unref(struct quota *q)
{
	if (q == NULL || --q->refs > 0)
		return;
	list_remove(&q->in_table);
	throttle_bucket_unref(q->bucket);
	free(q);
}

void data_lease_set_rate(struct relay_data *d, const char *owner, uint64_t bytes_per_s)
{
	struct quota *q = quota_find(d, owner);

	if (q != NULL)
		throttle_bucket_set_rate(q->bucket, bytes_per_s);
}

/* ---- leases ---- */

static void lease_on_accept(void *arg, int fd, const struct addr *peer)
{
	visitor_claim_take(arg, fd, peer, true);
}

/* @carrier: NULL: it is made. */
static enum err lease_open(struct relay_data *d, struct route *r, struct carrier *carrier)
{
	struct data_lease *l = mem_new(l);
	enum err rc = ERR_OK;

	if (l == NULL)
		return ERR_NOMEM;
	l->refs = 1;
	l->data = d;
	l->route = route_ref(r);
	l->quota = quota_get(d, r->owner);
	list_init(&l->in_data);
	if (l->quota == NULL)
		rc = ERR_NOMEM;
	else if (carrier == NULL)
		rc = r->ops->open_carrier(r, data_loop(d), &d->worker->figures.sessions,
			&carrier);
	if (rc != ERR_OK) {
		data_lease_unref(l);
		return rc;
	}
	l->carrier = carrier;
	r->served = l;
	list_add(&d->leases, &l->in_data);
	return ERR_OK;
}

enum err data_lease_open_by(struct relay_data *d, struct route *r,
	struct carrier *carrier)
{
	if (d->state != DATA_SERVING)
		return ERR_CLOSED;
	return r->served != NULL ? ERR_EXISTS : lease_open(d, r, carrier);
}

struct data_lease *data_lease_get(struct relay_data *d, struct route *r)
{
	if (r->served == NULL && !r->is_over && d->state == DATA_SERVING &&
		r->ops->open_carrier != NULL)
		(void)!lease_open(d, r, NULL); /* out of memory: it is not served */
	return r->served;
}

struct data_lease *data_lease_get_next(struct relay_data *d, const struct route *was)
{
	struct route *r = route_find_by_owner(d->shared->routes, was->owner);
	struct data_lease *l = NULL;

	if (r != NULL && r != was && r->worker == was->worker &&
		route_is_live(r, clock_wall_ms()))
		l = data_lease_get(d, r);
	route_unref(r);
	return l;
}

enum err data_lease_open(struct relay_data *d, struct route *r, int tcp_fd,
	uint64_t bytes_per_s)
{
	struct data_lease *l;

	r->is_over = false;
	l = data_lease_get(d, r);
	if (l == NULL)
		return ERR_NOMEM;
	throttle_bucket_set_rate(l->quota->bucket, bytes_per_s);
	if (tcp_fd < 0 || l->port != NULL)
		return tcp_fd < 0 ? ERR_OK : ERR_EXISTS;
	return listener_adopt_take(data_loop(d), tcp_fd, lease_on_accept, l, &l->port,
		NULL);
}

void data_lease_unref(struct data_lease *l)
{
	if (l == NULL || --l->refs > 0)
		return;
	quota_unref(l->quota);
	route_unref(l->route);
	free(l);
}

void data_lease_close(struct data_lease *l, bool cuts_bridges)
{
	list_remove(&l->in_data);
	l->route->served = NULL;
	listener_close(l->port);
	l->port = NULL;
	carrier_close(l->carrier);
	l->carrier = NULL;
	if (cuts_bridges && l->quota != NULL)
		visitor_cut(&l->quota->visitors);
	data_lease_unref(l);
}

void data_lease_cut(struct relay_data *d, const char *owner)
{
	struct quota *q = quota_find(d, owner);

	if (q == NULL)
		return;
	q->refs++; /* the last visitor may be all that has it */
	visitor_cut(&q->visitors);
	quota_unref(q);
}

void data_lease_close_all(struct relay_data *d)
{
	struct list *it, *tmp;

	list_each(it, tmp, &d->leases)
		data_lease_close(list_object(it, struct data_lease, in_data), false);
}
