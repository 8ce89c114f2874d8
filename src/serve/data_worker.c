/* A data worker: its mail, its beginning and its end. */
#include "serve/data_worker.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "net/socket.h"
#include "serve/visitor.h"

/* ---- services ---- */

/* NULL is the own host's. */
static int part_of(const struct data_worker *d, const struct data_service *service)
{
	for (unsigned i = 0; i < d->shared->parts_n; i++)
		if (service == NULL || d->shared->parts[i].service == service)
			return (int)i;
	return -1;
}

void *data_worker_state(const struct data_worker *d, const struct data_service *service)
{
	int i = part_of(d, service);

	return i >= 0 ? d->parts[i].state : NULL;
}

struct http_server *data_worker_http(const struct data_worker *d,
	const struct data_service *service)
{
	int i = part_of(d, service);

	return i >= 0 ? d->parts[i].http : NULL;
}

void *data_worker_context(const struct data_worker *d, const struct data_service *service)
{
	int i = part_of(d, service);

	return i >= 0 ? d->shared->parts[i].context : NULL;
}

/* ---- connections ---- */

struct fd_mail {
	int fd;
	struct addr peer;
	const struct data_service *service; /* of a client without TLS */
	struct route *route; /* a reference, of a visitor that knows where it belongs */
};

static void on_visitor(struct worker *w, void *body)
{
	struct data_worker *d = data_worker_of(w);
	struct fd_mail *m = body;

	if (d->state == DATA_SERVING)
		visitor_open_take(d, m->fd, &m->peer);
	else
		close(m->fd);
}

static void on_routed_visitor(struct worker *w, void *body)
{
	struct data_worker *d = data_worker_of(w);
	struct fd_mail *m = body;
	struct served *s;

	if (m->route->ops->serve_take != NULL) {
		if (d->state == DATA_SERVING)
			m->route->ops->serve_take(d, m->route, m->fd, &m->peer);
		else
			close(m->fd);
		route_unref(m->route);
		return;
	}
	s = served_get(d, m->route);
	if (s == NULL) /* the agent may have registered again while this was on its way */
		s = served_get_next(d, m->route);
	if (d->state == DATA_SERVING && s != NULL)
		visitor_claim_take(s, m->fd, &m->peer, false);
	else
		close(m->fd);
	route_unref(m->route);
}

static void on_client(struct worker *w, void *body)
{
	struct data_worker *d = data_worker_of(w);
	struct fd_mail *m = body;

	data_worker_serve_take(d, m->service,
		m->service == NULL ? d->snapshot->tls : NULL, m->fd, &m->peer);
}

void data_worker_serve_take(struct data_worker *d, const struct data_service *service,
	struct tls_context *tls, int fd, const struct addr *peer)
{
	struct http_server *http = data_worker_http(d, service);
	struct tls_options o = {
		.context = tls,
		.loop = d->worker.loop,
		.is_server = true,
	};
	struct stream *stream;

	if (http == NULL || socket_open_take(d->worker.loop, fd, &o.below) != ERR_OK)
		close(fd);
	else if (tls == NULL)
		http_server_serve_take(http, o.below, peer);
	else if (tls_open(&o, &stream, NULL) == ERR_OK)
		http_server_serve_take(http, stream, peer);
	else
		stream_abort(o.below);
}

bool data_worker_give_visitor(struct data_worker *d, int fd, const struct addr *peer)
{
	struct fd_mail m = { .fd = fd, .peer = *peer };

	return worker_send(&d->worker, on_visitor, &m, sizeof(m));
}

bool data_worker_give_client(struct data_worker *d, int fd, const struct addr *peer)
{
	return data_worker_give_plain(d, NULL, fd, peer);
}

bool data_worker_give_plain(struct data_worker *d, const struct data_service *service,
	int fd, const struct addr *peer)
{
	struct fd_mail m = { .fd = fd, .peer = *peer, .service = service };

	return worker_send(&d->worker, on_client, &m, sizeof(m));
}

void data_worker_pass_visitor_take(struct data_worker *d, struct route *r, int fd,
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

/* ---- routes ---- */

struct route_mail {
	struct route *route; /* a reference, or NULL */
	int tcp_fd;
	uint64_t bytes_per_s;
	bool cuts_bridges;
	char owner[ROUTE_OWNER_SIZE];
};

static void on_open_route(struct worker *w, void *body)
{
	struct data_worker *d = data_worker_of(w);
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
	struct data_worker *d = data_worker_of(w);
	struct route_mail *m = body;

	m->route->is_over = true;
	if (m->route->served != NULL)
		served_close(m->route->served, m->cuts_bridges);
	route_unref(m->route);
	data_worker_check_drained(d);
}

static bool send_of_route(struct data_worker *d, worker_fn *fn, struct route_mail m)
{
	if (worker_send(&d->worker, fn, &m, sizeof(m)))
		return true;
	route_unref(m.route);
	return false;
}

bool data_worker_open_route(struct data_worker *d, struct route *r, int tcp_fd,
	uint64_t bytes_per_s)
{
	return send_of_route(d, on_open_route,
		(struct route_mail){ .route = route_ref(r),
			.tcp_fd = tcp_fd,
			.bytes_per_s = bytes_per_s });
}

bool data_worker_close_route(struct data_worker *d, struct route *r, bool cuts_bridges)
{
	return send_of_route(d, on_close_route,
		(struct route_mail){ .route = route_ref(r),
			.cuts_bridges = cuts_bridges });
}

static void on_cut(struct worker *w, void *body)
{
	struct route_mail *m = body;

	served_cut(data_worker_of(w), m->owner);
	data_worker_check_drained(data_worker_of(w));
}

static void on_rate(struct worker *w, void *body)
{
	struct route_mail *m = body;

	served_set_rate(data_worker_of(w), m->owner, m->bytes_per_s);
}

bool data_worker_cut(struct data_worker *d, const char *owner)
{
	struct route_mail m = { .tcp_fd = -1 };

	(void)str_copy(m.owner, sizeof(m.owner), owner);
	return worker_send(&d->worker, on_cut, &m, sizeof(m));
}

bool data_worker_set_rate(struct data_worker *d, const char *owner, uint64_t bytes_per_s)
{
	struct route_mail m = { .tcp_fd = -1, .bytes_per_s = bytes_per_s };

	(void)str_copy(m.owner, sizeof(m.owner), owner);
	return worker_send(&d->worker, on_rate, &m, sizeof(m));
}

/* ---- snapshots ---- */

/* Sessions of clients that are banned now, those of routes of others too. */
static void data_drop_banned(struct data_worker *d)
{
	struct list *it, *tmp;

	if (d->snapshot->banned.n == 0)
		return;
	list_each(it, tmp, &d->served)
		carrier_drop(list_object(it, struct served, in_worker)->carrier,
			&d->snapshot->banned);
	visitor_cut_banned(d, &d->snapshot->banned);
	data_worker_check_drained(d);
}

static void on_snapshot(struct worker *w, void *body)
{
	struct data_worker *d = data_worker_of(w);

	snapshot_unref(d->snapshot);
	d->snapshot = *(struct snapshot **)body;
	data_drop_banned(d);
	for (unsigned i = 0; d->state == DATA_SERVING && i < d->shared->parts_n; i++)
		if (d->shared->parts[i].service->on_snapshot != NULL)
			d->shared->parts[i].service->on_snapshot(d->parts[i].state);
}

bool data_worker_set_snapshot(struct data_worker *d, struct snapshot *snapshot)
{
	snapshot_ref(snapshot);
	if (worker_send(&d->worker, on_snapshot, &snapshot, sizeof(snapshot)))
		return true;
	snapshot_unref(snapshot);
	return false;
}

/* ---- the end ---- */

static void data_stop(struct data_worker *d)
{
	d->state = DATA_ENDED;
	visitor_cut_all(d);
	worker_stop(&d->worker); /* by mail: after what was closed has gone */
}

void data_worker_check_drained(struct data_worker *d)
{
	if (d->state == DATA_DRAINING && d->busy == 0 && list_is_empty(&d->bridges))
		data_stop(d);
}

static void on_no_clients(void *arg)
{
	struct data_worker *d = arg;

	d->busy--;
	data_worker_check_drained(d);
}

static void on_drain_over(void *arg)
{
	data_stop(arg);
}

/* Nothing new: agents see their sessions close, and look for another relay. */
static void data_close_all(struct data_worker *d)
{
	visitor_close_pending(d);
	served_close_all(d);
	loop_timer_stop(d->pending_timer);
}

static void on_end(struct worker *w, void *body)
{
	struct data_worker *d = data_worker_of(w);
	uint32_t drain_ms = *(uint32_t *)body;

	if (d->state != DATA_SERVING)
		return;
	d->state = DATA_DRAINING;
	data_close_all(d);
	for (unsigned i = 0; i < d->shared->parts_n; i++) {
		const struct data_service *service = d->shared->parts[i].service;

		if (d->parts[i].http != NULL)
			d->busy += !http_server_end(d->parts[i].http, on_no_clients, d);
		if (service->end != NULL)
			service->end(d->parts[i].state);
	}
	if (drain_ms == 0) {
		data_stop(d);
		return;
	}
	loop_timer_set(d->drain, drain_ms);
	data_worker_check_drained(d);
}

void data_worker_end(struct data_worker *d, uint32_t drain_ms)
{
	if (!worker_send(&d->worker, on_end, &drain_ms, sizeof(drain_ms)))
		worker_stop(&d->worker);
}

/* ---- one, from its beginning to its end ---- */

static enum err part_open(struct data_worker *d, unsigned i)
{
	const struct data_part *part = &d->shared->parts[i];
	struct http_server_options o = {
		.loop = d->worker.loop,
		.pool = &d->worker.blocks,
		.first_ms = part->first_ms,
		.head_max = part->head_max,
		.bodies_max = part->bodies_max,
		.on_request = part->service->on_request,
	};
	enum err rc = part->service->open(d, &d->parts[i].state);

	o.arg = d->parts[i].state;
	if (rc == ERR_OK && o.on_request != NULL)
		rc = http_server_new(&o, &d->parts[i].http);
	return rc;
}

static enum err data_open(struct data_worker *d)
{
	struct loop *loop = d->worker.loop;
	enum err rc = loop_timer_open(loop, visitor_on_timeout, d, &d->pending_timer);

	if (rc == ERR_OK)
		rc = loop_timer_open(loop, on_drain_over, d, &d->drain);
	for (unsigned i = 0; rc == ERR_OK && i < d->shared->parts_n; i++)
		rc = part_open(d, i);
	return rc;
}

/* What waits and its timers first, then its exchanges. */
static void part_close(struct data_worker *d, unsigned i)
{
	if (d->parts[i].state != NULL)
		d->shared->parts[i].service->close(d->parts[i].state);
	http_server_free(d->parts[i].http);
	d->parts[i].http = NULL;
}

enum err data_worker_init(struct data_worker *d, struct data_shared *shared,
	unsigned index, struct snapshot *snapshot, struct why *why)
{
	enum err rc;

	memset(d, 0, sizeof(*d));
	list_init(&d->served);
	map_init(&d->owners);
	list_init(&d->pending);
	list_init(&d->claims);
	list_init(&d->bridges);
	d->shared = shared;
	d->snapshot = snapshot_ref(snapshot);
	rc = worker_init(&d->worker, index);
	if (rc == ERR_OK)
		rc = data_open(d);
	return rc == ERR_OK ? rc : err_set(why, rc, "no memory for worker %u", index);
}

void data_worker_close(struct data_worker *d)
{
	if (d->shared == NULL)
		return;
	d->state = DATA_ENDED; /* what is still in the mailbox is dropped */
	if (d->worker.loop != NULL) {
		for (unsigned i = 0; i < d->shared->parts_n; i++)
			part_close(d, i);
		data_close_all(d);
		visitor_cut_all(d);
		loop_turn(d->worker.loop);
		loop_timer_close(d->pending_timer);
		loop_timer_close(d->drain);
		worker_fini(&d->worker);
		for (unsigned i = 0; i < d->shared->parts_n; i++)
			if (d->parts[i].state != NULL)
				d->shared->parts[i].service->free(d->parts[i].state);
	}
	snapshot_unref(d->snapshot);
	map_fini(&d->owners);
	d->shared = NULL;
}

/* ---- all of them ---- */

unsigned data_workers_count(unsigned wanted)
{
	unsigned n = wanted > 0 ? wanted : worker_count_cores();

	return n < DATA_WORKERS_MAX ? n : DATA_WORKERS_MAX;
}

enum err data_workers_open(struct data_shared *shared, struct snapshot *snapshot,
	struct why *why)
{
	enum err rc = ERR_OK;

	shared->workers = calloc(shared->count, sizeof(*shared->workers));
	if (shared->workers == NULL)
		return err_set(why, ERR_NOMEM, "no memory for %u workers", shared->count);
	for (unsigned i = 0; i < shared->count && rc == ERR_OK; i++) {
		rc = data_worker_init(&shared->workers[i], shared, i, snapshot, why);
		if (rc == ERR_OK)
			rc = worker_start(&shared->workers[i].worker, why);
		shared->running += rc == ERR_OK;
	}
	return rc;
}

struct data_worker *data_workers_next(struct data_shared *shared)
{
	return &shared->workers[shared->next++ % shared->count];
}

void data_workers_set_snapshot(struct data_shared *shared, struct snapshot *snapshot)
{
	for (unsigned i = 0; i < shared->running; i++)
		if (!data_worker_set_snapshot(&shared->workers[i], snapshot))
			log_error(shared->log,
				"out of memory: worker %u keeps the previous settings",
				i);
}

void data_workers_end(struct data_shared *shared, uint32_t drain_ms)
{
	for (unsigned i = 0; i < shared->running; i++)
		data_worker_end(&shared->workers[i], drain_ms);
}

bool data_workers_are_stopping(const struct data_shared *shared)
{
	for (unsigned i = 0; i < shared->running; i++)
		if (!atomic_load(&shared->workers[i].worker.is_stopping))
			return false;
	return true;
}

struct data_totals data_workers_sum(const struct data_shared *shared)
{
	struct data_totals sum = { .visitors = 0 };

	for (unsigned i = 0; i < shared->count; i++) {
		const struct data_stats *s = &shared->workers[i].stats;

		sum.visitors += atomic_load(&s->visitors);
		sum.unknown += atomic_load(&s->unknown);
		sum.unserved += atomic_load(&s->unserved);
		sum.bytes_up += atomic_load(&s->bytes_up);
		sum.bytes_down += atomic_load(&s->bytes_down);
		sum.bridges += atomic_load(&s->bridges);
		sum.sessions += atomic_load(&s->sessions);
	}
	return sum;
}

void data_workers_join(struct data_shared *shared)
{
	for (unsigned i = 0; i < shared->running; i++)
		worker_stop(&shared->workers[i].worker);
	for (unsigned i = 0; i < shared->running; i++)
		worker_join(&shared->workers[i].worker);
	shared->running = 0;
}

void data_workers_close(struct data_shared *shared)
{
	for (unsigned i = 0; shared->workers != NULL && i < shared->count; i++)
		data_worker_close(&shared->workers[i]);
	free(shared->workers);
	shared->workers = NULL;
}
