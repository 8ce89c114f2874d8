/* A data worker: its mail, its beginning and its end. */
#include "serve/relay_worker.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "net/socket.h"
#include "serve/relay_data.h"

/* ---- connections ---- */

struct fd_mail {
	int fd;
	struct addr peer;
	struct route *route; /* a reference, of a visitor that knows where it belongs */
};

static void on_visitor(struct worker *w, void *body)
{
	struct relay_data *d = data_of_worker(w);
	struct fd_mail *m = body;

	if (d->state == DATA_SERVING)
		visitor_open_take(d, m->fd, &m->peer);
	else
		close(m->fd);
}

static void on_routed_visitor(struct worker *w, void *body)
{
	struct relay_data *d = data_of_worker(w);
	struct fd_mail *m = body;
	struct served *l = served_get(d, m->route);

	if (l == NULL) /* the agent may have registered anew while this was on its way */
		l = served_get_next(d, m->route);
	if (d->state == DATA_SERVING && l != NULL)
		visitor_claim_take(l, m->fd, &m->peer, false);
	else
		close(m->fd);
	route_unref(m->route);
}

static void on_client(struct worker *w, void *body)
{
	struct fd_mail *m = body;

	relay_data_serve_take(data_of_worker(w), m->fd, &m->peer);
}

void relay_data_serve_take(struct relay_data *d, int fd, const struct addr *peer)
{
	struct tls_options o = {
		.context = d->snapshot->tls,
		.loop = data_loop(d),
		.is_server = true,
	};
	struct stream *stream;

	if (d->http == NULL || socket_open_take(data_loop(d), fd, &o.below) != ERR_OK)
		close(fd);
	else if (tls_open(&o, &stream, NULL) == ERR_OK)
		http_server_serve_take(d->http, stream, peer);
	else
		stream_abort(o.below);
}

bool relay_worker_give_visitor(struct relay_worker *w, int fd, const struct addr *peer)
{
	struct fd_mail m = { .fd = fd, .peer = *peer };

	return worker_send(&w->worker, on_visitor, &m, sizeof(m));
}

bool relay_worker_give_client(struct relay_worker *w, int fd, const struct addr *peer)
{
	struct fd_mail m = { .fd = fd, .peer = *peer };

	return worker_send(&w->worker, on_client, &m, sizeof(m));
}

void relay_data_pass_visitor_take(struct relay_data *d, struct route *r, int fd,
	const struct addr *peer)
{
	struct fd_mail m = { .fd = fd, .peer = *peer, .route = route_ref(r) };

	if (r->worker < d->shared->count && d->state == DATA_SERVING &&
		worker_send(&d->shared->workers[r->worker].worker, on_routed_visitor, &m,
			sizeof(m)))
		return;
	close(fd);
	route_unref(r);
}

/* ---- leases ---- */

struct route_mail {
	struct route *route; /* a reference, or NULL */
	int tcp_fd;
	uint64_t bytes_per_s;
	bool cuts_bridges;
	char owner[ROUTE_OWNER_SIZE];
};

static void on_open_route(struct worker *w, void *body)
{
	struct relay_data *d = data_of_worker(w);
	struct route_mail *m = body;
	enum err rc = ERR_CLOSED;

	if (d->state == DATA_SERVING)
		rc = served_open(d, m->route, m->tcp_fd, m->bytes_per_s);
	if (rc != ERR_OK && m->tcp_fd >= 0)
		close(m->tcp_fd);
	if (rc != ERR_OK && rc != ERR_CLOSED)
		log_error(d->shared->log, "lease %s: it cannot be served: %s",
			m->route->name, err_name(rc));
	route_unref(m->route);
}

static void on_close_route(struct worker *w, void *body)
{
	struct relay_data *d = data_of_worker(w);
	struct route_mail *m = body;

	m->route->is_over = true;
	if (m->route->served != NULL)
		served_close(m->route->served, m->cuts_bridges);
	route_unref(m->route);
	relay_data_check_drained(d);
}

static bool send_of_route(struct relay_worker *w, worker_fn *fn, struct route_mail m)
{
	if (worker_send(&w->worker, fn, &m, sizeof(m)))
		return true;
	route_unref(m.route);
	return false;
}

bool relay_worker_open_route(struct relay_worker *w, struct route *r, int tcp_fd,
	uint64_t bytes_per_s)
{
	return send_of_route(w, on_open_route,
		(struct route_mail){ .route = route_ref(r),
			.tcp_fd = tcp_fd,
			.bytes_per_s = bytes_per_s });
}

bool relay_worker_close_route(struct relay_worker *w, struct route *r, bool cuts_bridges)
{
	return send_of_route(w, on_close_route,
		(struct route_mail){ .route = route_ref(r),
			.cuts_bridges = cuts_bridges });
}

static void on_cut(struct worker *w, void *body)
{
	struct route_mail *m = body;

	served_cut(data_of_worker(w), m->owner);
	relay_data_check_drained(data_of_worker(w));
}

static void on_rate(struct worker *w, void *body)
{
	struct route_mail *m = body;

	served_set_rate(data_of_worker(w), m->owner, m->bytes_per_s);
}

bool relay_worker_cut(struct relay_worker *w, const char *owner)
{
	struct route_mail m = { .tcp_fd = -1 };

	(void)str_copy(m.owner, sizeof(m.owner), owner);
	return worker_send(&w->worker, on_cut, &m, sizeof(m));
}

bool relay_worker_set_rate(struct relay_worker *w, const char *owner,
	uint64_t bytes_per_s)
{
	struct route_mail m = { .tcp_fd = -1, .bytes_per_s = bytes_per_s };

	(void)str_copy(m.owner, sizeof(m.owner), owner);
	return worker_send(&w->worker, on_rate, &m, sizeof(m));
}

/* ---- snapshots ---- */

/* Sessions of clients that are banned now, those of leases of others too. */
static void data_drop_banned(struct relay_data *d)
{
	struct list *it, *tmp;

	if (d->snapshot->banned.n == 0)
		return;
	list_each(it, tmp, &d->leases)
		carrier_drop(list_object(it, struct served, in_data)->carrier,
			&d->snapshot->banned);
	visitor_cut_banned(d, &d->snapshot->banned);
	relay_data_check_drained(d);
}

static void on_snapshot(struct worker *w, void *body)
{
	struct relay_data *d = data_of_worker(w);

	snapshot_unref(d->snapshot);
	d->snapshot = *(struct snapshot **)body;
	data_drop_banned(d);
}

bool relay_worker_set_snapshot(struct relay_worker *w, struct snapshot *snapshot)
{
	snapshot_ref(snapshot);
	if (worker_send(&w->worker, on_snapshot, &snapshot, sizeof(snapshot)))
		return true;
	snapshot_unref(snapshot);
	return false;
}

/* ---- the end ---- */

static void data_stop(struct relay_data *d)
{
	d->state = DATA_ENDED;
	visitor_cut_all(d);
	worker_stop(&d->worker->worker); /* by mail: after what was closed has gone */
}

void relay_data_check_drained(struct relay_data *d)
{
	if (d->state == DATA_DRAINING && d->is_unasked && list_is_empty(&d->bridges))
		data_stop(d);
}

static void on_unasked(void *arg)
{
	struct relay_data *d = arg;

	d->is_unasked = true;
	relay_data_check_drained(d);
}

static void on_drain_over(void *arg)
{
	data_stop(arg);
}

/* Nothing new: agents see their sessions close, and look for another relay. */
static void data_close_all(struct relay_data *d)
{
	visitor_close_fronts(d);
	served_close_all(d);
	loop_timer_stop(d->front_timer);
}

static void on_end(struct worker *w, void *body)
{
	struct relay_data *d = data_of_worker(w);
	uint32_t drain_ms = *(uint32_t *)body;

	if (d->state != DATA_SERVING)
		return;
	d->state = DATA_DRAINING;
	data_close_all(d);
	d->is_unasked = http_server_end(d->http, on_unasked, d);
	loop_timer_set(d->drain, drain_ms);
	relay_data_check_drained(d);
}

void relay_worker_end(struct relay_worker *w, uint32_t drain_ms)
{
	if (!worker_send(&w->worker, on_end, &drain_ms, sizeof(drain_ms)))
		worker_stop(&w->worker);
}

/* ---- beginning ---- */

static enum err data_open(struct relay_data *d)
{
	struct http_server_options o = {
		.loop = data_loop(d),
		.pool = &d->worker->worker.blocks,
		.head_max = DATA_HEAD_MAX,
		.bodies_max = DATA_BODIES_MAX,
		.on_request = d->shared->service->on_request,
	};
	enum err rc = loop_timer_open(data_loop(d), visitor_on_timeout, d,
		&d->front_timer);

	if (rc == ERR_OK)
		rc = loop_timer_open(data_loop(d), on_drain_over, d, &d->drain);
	if (rc == ERR_OK)
		rc = d->shared->service->open(d, &d->service);
	o.arg = d->service;
	return rc == ERR_OK ? http_server_new(&o, &d->http) : rc;
}

enum err relay_data_new(struct relay_worker *w, struct relay_shared *shared,
	unsigned index, struct snapshot *snapshot, struct why *why)
{
	struct relay_data *d = mem_new(d);
	enum err rc;

	if (d == NULL)
		return err_set(why, ERR_NOMEM, "no memory for worker %u", index);
	list_init(&d->leases);
	map_init(&d->owners);
	list_init(&d->fronts);
	list_init(&d->claims);
	list_init(&d->bridges);
	d->worker = w;
	d->shared = shared;
	d->snapshot = snapshot_ref(snapshot);
	w->data = d;
	rc = worker_init(&w->worker, index);
	if (rc == ERR_OK)
		rc = data_open(d);
	if (rc != ERR_OK)
		return err_set(why, rc, "no memory for worker %u", index);
	return ERR_OK;
}

enum err relay_worker_open(struct relay_worker *w, struct relay_shared *shared,
	unsigned index, struct snapshot *snapshot, struct why *why)
{
	enum err rc = relay_data_new(w, shared, index, snapshot, why);

	return rc == ERR_OK ? worker_start(&w->worker, why) : rc;
}

void relay_worker_close(struct relay_worker *w)
{
	struct relay_data *d = w->data;

	if (d == NULL)
		return;
	d->state = DATA_ENDED; /* what is still in the mailbox is dropped */
	if (w->worker.loop != NULL) {
		if (d->service != NULL)
			d->shared->service->close(d->service);
		http_server_free(d->http);
		d->http = NULL;
		data_close_all(d);
		visitor_cut_all(d);
		loop_turn(w->worker.loop);
		loop_timer_close(d->front_timer);
		loop_timer_close(d->drain);
		if (d->service != NULL)
			d->shared->service->free(d->service);
		worker_fini(&w->worker);
	}
	snapshot_unref(d->snapshot);
	map_fini(&d->owners);
	free(d);
	w->data = NULL;
}
