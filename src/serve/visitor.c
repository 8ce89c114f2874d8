/*
 * Visitors, from the first byte to the last.
 *
 * The first bytes of a visitor are peeked at and left in the kernel's buffer, so that a
 * visitor is nothing but a descriptor until its route is known: it can be passed to
 * another worker, or to TLS, with no byte read. portal-protocol 7.
 */
#include "serve/visitor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/bridge.h"
#include "net/socket.h"
#include "serve/own_host.h"
#include "text/names.h"
#include "wire/hello.h"

#define VISITOR_TIMEOUT_MS 2000 /* for a ClientHello; and for a refused one to go */
#define VISITOR_REFUSED_MAX ((size_t)65536) /* bytes that a refused one may still send */
#define VISITOR_PENDING_MAX 8192            /* for each worker; then the oldest goes */
#define VISITOR_RECORD_HEAD 5

enum visitor_state {
	VISITOR_PEEKING,
	VISITOR_REFUSED,  /* has an alert, and time to read it */
	VISITOR_CLAIMING, /* waits for a session */
	VISITOR_BRIDGED,
};

struct visitor {
	struct list in_worker; /* pending, claims or bridges */
	struct visit visit;
	struct data_worker *worker;
	struct served *served; /* a reference, once it claims */
	int fd;                /* -1 once it is a stream */
	struct loop_io *io;
	struct bridge *bridge;
	struct claim claim;
	uint8_t *first; /* what was peeked, while it claims */
	struct addr peer;
	uint64_t until_ms; /* while it is pending */
	size_t dropped;    /* bytes that a refused one has sent */
	enum visitor_state state;
};

static void visitor_free(struct visitor *v)
{
	struct data_worker *d = v->worker;

	if (v->state == VISITOR_PEEKING || v->state == VISITOR_REFUSED)
		d->pending_n--;
	if (v->state == VISITOR_BRIDGED)
		atomic_fetch_sub(&d->stats.bridges, 1);
	list_remove(&v->in_worker);
	list_remove(&v->visit.in_owner);
	claim_cancel(&v->claim);
	bridge_close(v->bridge);
	loop_io_close(v->io);
	if (v->fd >= 0)
		close(v->fd);
	free(v->first);
	served_unref(v->served);
	free(v);
}

static void visitor_count(atomic_uint_fast64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* SO_RCVLOWAT: report the socket readable only with bytes beyond those peeked. */
static void visitor_set_low_water(struct visitor *v, size_t bytes)
{
	int n = (int)bytes;

	(void)setsockopt(v->fd, SOL_SOCKET, SO_RCVLOWAT, &n, sizeof(n));
}

/* The descriptor, as it came; the visitor is gone. */
static int visitor_release(struct visitor *v)
{
	int fd = v->fd;

	visitor_set_low_water(v, 1);
	loop_io_close(v->io);
	v->io = NULL;
	v->fd = -1;
	visitor_free(v);
	return fd;
}

/* ---- the bridge ---- */

static void visitor_on_moved(void *arg, bool is_read, size_t n)
{
	struct visitor *v = arg;
	struct data_stats *f = &v->worker->stats;

	atomic_fetch_add_explicit(is_read ? &f->bytes_up : &f->bytes_down, n,
		memory_order_relaxed);
	atomic_fetch_add_explicit(&v->served->route->bytes, n, memory_order_relaxed);
}

static void visitor_on_bridge_closed(void *arg, const struct bridge_end *end)
{
	struct visitor *v = arg;
	struct data_worker *d = v->worker;

	(void)end;
	v->bridge = NULL;
	visitor_free(v);
	data_worker_check_drained(d);
}

/* Discards the bytes that were peeked: the session has them already. */
static bool visitor_discard_first(struct visitor *v)
{
	size_t left = v->claim.first.n;
	uint8_t *scratch = worker_scratch(&v->worker->worker);

	while (left > 0 && scratch != NULL) {
		ssize_t n = recv(v->fd, scratch, left, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		left -= (size_t)n;
	}
	return left == 0;
}

static enum err visitor_to_stream(struct visitor *v, struct stream **out)
{
	struct throttle_options o = {
		.bucket = v->served->owner->bucket,
		.on_moved = visitor_on_moved,
		.arg = v,
	};
	enum err rc;

	if (!visitor_discard_first(v))
		return ERR_RESET;
	visitor_set_low_water(v, 1);
	loop_io_close(v->io);
	v->io = NULL;
	rc = socket_open_take(v->worker->worker.loop, v->fd, &o.below);
	if (rc != ERR_OK)
		return rc;
	v->fd = -1;
	rc = throttle_open(&o, out);
	if (rc != ERR_OK)
		stream_abort(o.below);
	return rc;
}

static enum err visitor_bridge(struct visitor *v, struct stream *session)
{
	struct data_worker *d = v->worker;
	struct bridge_options o = {
		.loop = d->worker.loop,
		.pool = &d->worker.blocks,
		.b = session,
		.on_closed = visitor_on_bridge_closed,
		.arg = v,
	};
	char text[ADDR_TEXT_MAX];
	enum err rc = visitor_to_stream(v, &o.a);

	if (rc != ERR_OK)
		return rc;
	visitor_on_moved(v, true, v->claim.first.n);
	rc = bridge_open(&o, &v->bridge);
	if (rc != ERR_OK) {
		stream_abort(o.a);
		return rc;
	}
	free(v->first);
	v->first = NULL;
	v->state = VISITOR_BRIDGED;
	list_remove(&v->in_worker);
	list_add(&d->bridges, &v->in_worker);
	atomic_fetch_add(&d->stats.bridges, 1);
	visitor_count(&d->stats.visitors);
	visitor_count(&v->served->route->visitors);
	log_debug(d->shared->log, "lease %s: visitor from %s", v->served->route->name,
		addr_print_ip(&v->peer, text));
	return ERR_OK;
}

/* ---- the claim ---- */

/* Its lease is over. If the agent has come back with a new one, @v waits there. */
static bool visitor_claim_again(struct visitor *v)
{
	const struct route *was = v->served->route;
	struct served *s = served_get_next(v->worker, was);

	if (s == NULL || (v->claim.is_raw && s->route->tcp_port != was->tcp_port))
		return false;
	list_remove(&v->visit.in_owner);
	served_unref(v->served);
	v->served = served_ref(s);
	list_add(&s->owner->visitors, &v->visit.in_owner);
	claim_open(s->carrier, &v->claim);
	return true;
}

static void visitor_on_claim_end(void *arg, enum err rc, struct stream *session)
{
	struct visitor *v = arg;

	if (rc == ERR_CLOSED && visitor_claim_again(v))
		return;
	if (rc == ERR_OK) {
		rc = visitor_bridge(v, session);
	}
	if (rc == ERR_OK)
		return;
	stream_abort(session);
	visitor_count(&v->worker->stats.unserved);
	visitor_free(v);
}

/* More bytes, or the end: a visitor that is gone needs no session. */
static void visitor_step_claiming(struct visitor *v)
{
	loop_io_want(v->io, 0);
	if (socket_is_finished(v->fd))
		visitor_free(v);
}

static void visitor_on_ready(void *arg, unsigned ready);

static enum err visitor_watch(struct visitor *v)
{
	if (v->io != NULL)
		return ERR_OK;
	return loop_io_open(v->worker->worker.loop, v->fd, visitor_on_ready, v, &v->io);
}

/* @v is no longer pending. */
static void visitor_claim(struct visitor *v, struct served *s, bool is_raw,
	struct span hello)
{
	v->served = served_ref(s);
	v->state = VISITOR_CLAIMING;
	list_remove(&v->in_worker);
	list_add(&v->worker->claims, &v->in_worker);
	list_add(&s->owner->visitors, &v->visit.in_owner);
	v->first = malloc(hello.n + 1); /* never of 0 bytes, which may be NULL */
	if (v->first == NULL || visitor_watch(v) != ERR_OK) {
		visitor_free(v);
		return;
	}
	if (hello.n > 0)
		memcpy(v->first, hello.p, hello.n);
	visitor_set_low_water(v, hello.n + 1);
	/* A raw visitor may send all it has, and close, before a session is there. */
	loop_io_want(v->io, is_raw ? 0 : LOOP_READ);
	v->claim.is_raw = is_raw;
	v->claim.first = span_of(v->first, hello.n);
	v->claim.on_end = visitor_on_claim_end;
	v->claim.arg = v;
	claim_open(s->carrier, &v->claim);
}

/* ---- pending visitors ---- */

static void visitor_plan(struct data_worker *d)
{
	struct visitor *first = list_first(&d->pending, struct visitor, in_worker);
	uint64_t now = clock_now_ms();

	if (first == NULL)
		loop_timer_stop(d->pending_timer);
	else if (!loop_timer_is_set(d->pending_timer))
		loop_timer_set(d->pending_timer,
			first->until_ms > now ? first->until_ms - now : 1);
}

/*
 * Sends the alert, and leaves time to read it: closing at once might reset the
 * connection. Bytes that arrive meanwhile are discarded, up to a limit.
 */
static void visitor_refuse(struct visitor *v)
{
	struct data_worker *d = v->worker;
	struct buf alert;
	uint8_t *scratch = worker_scratch(&d->worker);

	visitor_count(&d->stats.unknown);
	buf_init(&alert, 64);
	if (hello_put_unrecognized_name(&alert) == ERR_OK)
		(void)send(v->fd, buf_span(&alert).p, alert.n, MSG_NOSIGNAL);
	buf_fini(&alert);
	if (scratch != NULL)
		(void)recv(v->fd, scratch, VISITOR_REFUSED_MAX, 0);
	if (shutdown(v->fd, SHUT_WR) != 0) {
		visitor_free(v);
		return;
	}
	visitor_set_low_water(v, 1);
	v->state = VISITOR_REFUSED;
	v->until_ms = clock_now_ms() + VISITOR_TIMEOUT_MS;
	list_remove(&v->in_worker);
	list_add(&d->pending, &v->in_worker);
}

static void visitor_step_refused(struct visitor *v)
{
	uint8_t *scratch = worker_scratch(&v->worker->worker);
	ssize_t n = scratch == NULL ? 0 : recv(v->fd, scratch, VISITOR_REFUSED_MAX, 0);

	if (n > 0)
		v->dropped += (size_t)n;
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR) ||
		v->dropped > VISITOR_REFUSED_MAX)
		visitor_free(v);
}

/* @r is the caller's. */
static void visitor_go_to(struct visitor *v, struct route *r, struct span hello)
{
	struct data_worker *d = v->worker;
	struct served *s;
	struct addr peer;

	if (!route_is_live(r, clock_wall_ms())) {
		visitor_count(&d->stats.unserved);
		visitor_free(v);
	} else if (r->worker != d->worker.index) {
		peer = v->peer;
		data_worker_pass_visitor_take(d, r, visitor_release(v), &peer);
	} else if (r->ops->serve_take != NULL) {
		peer = v->peer;
		r->ops->serve_take(d, r, visitor_release(v), &peer);
	} else if ((s = served_get(d, r)) == NULL) {
		visitor_count(&d->stats.unserved);
		visitor_free(v);
	} else {
		d->pending_n--;
		visitor_claim(v, s, false, hello);
	}
}

static void visitor_route(struct visitor *v, const struct hello *hello, struct span bytes)
{
	struct data_worker *d = v->worker;
	char host[NAMES_HOST_MAX + 1];
	struct route *r = NULL;
	struct addr peer = v->peer;
	bool has_name = hello->host.n > 0 &&
		names_parse_host(hello->host, host, NULL) == ERR_OK;

	if (has_name && own_host_is(d->shared->root, host)) {
		data_worker_serve_take(d, NULL, d->snapshot->tls, visitor_release(v),
			&peer);
		return;
	}
	if (has_name) {
		own_host_unify(d->shared->root, host);
		r = route_find_by_host(d->shared->routes, host);
	}
	if (r == NULL)
		visitor_refuse(v);
	else
		visitor_go_to(v, r, bytes);
	route_unref(r);
}

/* How many bytes the next peek needs to make progress. */
static size_t visitor_next_look(struct span seen)
{
	size_t n = VISITOR_RECORD_HEAD;

	if (seen.n >= VISITOR_RECORD_HEAD)
		n += (size_t)seen.p[3] << 8 | seen.p[4];
	if (n > HELLO_BYTES_MAX)
		n = HELLO_BYTES_MAX;
	return n > seen.n ? n : seen.n + 1;
}

static void visitor_step_peeking(struct visitor *v)
{
	uint8_t *scratch = worker_scratch(&v->worker->worker);
	struct hello hello;
	struct span seen;
	ssize_t n;
	enum err rc;

	n = scratch == NULL ? 0 : recv(v->fd, scratch, HELLO_BYTES_MAX, MSG_PEEK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		visitor_free(v);
		return;
	}
	seen = span_of(scratch, (size_t)n);
	rc = hello_read(seen, scratch + HELLO_BYTES_MAX, &hello);
	if (rc == ERR_OK) {
		visitor_route(v, &hello, seen);
	} else if (rc == ERR_AGAIN && seen.n < HELLO_BYTES_MAX) {
		visitor_set_low_water(v, visitor_next_look(seen));
		if (socket_is_finished(v->fd))
			visitor_free(v); /* it has closed its side */
	} else {
		visitor_count(&v->worker->stats.unknown);
		visitor_free(v);
	}
}

static void visitor_on_ready(void *arg, unsigned ready)
{
	struct visitor *v = arg;
	struct data_worker *d = v->worker;

	(void)ready;
	if (v->state == VISITOR_PEEKING)
		visitor_step_peeking(v);
	else if (v->state == VISITOR_REFUSED)
		visitor_step_refused(v);
	else if (v->state == VISITOR_CLAIMING)
		visitor_step_claiming(v);
	visitor_plan(d);
}

void visitor_on_timeout(void *arg)
{
	struct data_worker *d = arg;
	struct visitor *v;

	while ((v = list_first(&d->pending, struct visitor, in_worker)) != NULL &&
		v->until_ms <= clock_now_ms())
		visitor_free(v);
	visitor_plan(d);
}

static void visitor_on_cut(struct visit *visit)
{
	visitor_free(mem_container(visit, struct visitor, visit));
}

static struct visitor *visitor_new(struct data_worker *d, int fd, const struct addr *peer)
{
	struct visitor *v = mem_new(v);

	if (v == NULL)
		return NULL;
	v->worker = d;
	v->fd = fd;
	v->peer = *peer;
	list_init(&v->in_worker);
	list_init(&v->visit.in_owner);
	v->visit.cut = visitor_on_cut;
	return v;
}

/* Takes @fd. NULL: out of memory. */
static struct visitor *visitor_new_pending(struct data_worker *d, int fd,
	const struct addr *peer)
{
	struct visitor *v = visitor_new(d, fd, peer);

	if (v == NULL) {
		close(fd);
		return NULL;
	}
	if (d->pending_n >= VISITOR_PENDING_MAX)
		visitor_free(list_object(d->pending.next, struct visitor, in_worker));
	v->until_ms = clock_now_ms() + VISITOR_TIMEOUT_MS;
	d->pending_n++;
	list_add(&d->pending, &v->in_worker);
	if (visitor_watch(v) != ERR_OK) {
		visitor_free(v);
		return NULL;
	}
	loop_io_want(v->io, LOOP_READ);
	return v;
}

void visitor_open_take(struct data_worker *d, int fd, const struct addr *peer)
{
	if (visitor_new_pending(d, fd, peer) != NULL)
		visitor_plan(d);
}

void visitor_refuse_take(struct data_worker *d, int fd, const struct addr *peer)
{
	struct visitor *v = visitor_new_pending(d, fd, peer);

	if (v == NULL)
		return;
	visitor_refuse(v);
	visitor_plan(d);
}

void visitor_claim_take(struct served *s, int fd, const struct addr *peer, bool is_raw)
{
	struct data_worker *d = s->worker;
	struct visitor *v;
	uint8_t *scratch = worker_scratch(&d->worker);
	ssize_t n = 0;

	if (!is_raw && scratch != NULL)
		n = recv(fd, scratch, HELLO_BYTES_MAX, MSG_PEEK);
	v = n < 0 || (!is_raw && n == 0) || !route_is_live(s->route, clock_wall_ms()) ?
		NULL :
		visitor_new(d, fd, peer);
	if (v == NULL) {
		visitor_count(&d->stats.unserved);
		close(fd);
		return;
	}
	visitor_claim(v, s, is_raw, span_of(scratch, (size_t)n));
}

void visitor_close_pending(struct data_worker *d)
{
	struct list *it, *tmp;

	list_each(it, tmp, &d->pending)
		visitor_free(list_object(it, struct visitor, in_worker));
	list_each(it, tmp, &d->claims)
		visitor_free(list_object(it, struct visitor, in_worker));
}

void visitor_cut_banned(struct data_worker *d, const struct prefix_set *banned)
{
	struct list *it, *tmp;

	list_each(it, tmp, &d->bridges) {
		struct visitor *v = list_object(it, struct visitor, in_worker);

		if (prefix_set_has(banned, &v->claim.agent))
			visitor_free(v);
	}
}

void visitor_cut_all(struct data_worker *d)
{
	struct list *it, *tmp;

	visitor_close_pending(d);
	list_each(it, tmp, &d->bridges)
		visitor_free(list_object(it, struct visitor, in_worker));
}
