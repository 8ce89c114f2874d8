/*
 * A UDP exit: one connected socket for each flow, named by the text the entry gave it.
 * The flow that was idle longest makes room for a new one. chisel-protocol 6.6.
 *
 * The channel is never closed because a datagram could not be sent: stock entries before
 * 1.12 do not survive that.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/fd.h"
#include "net/resolver.h"
#include "tunnel/chisel/exit_kinds.h"
#include "tunnel/chisel/udp_channel.h"

#define UDP_DEADLINE_MS 15000
#define UDP_FLOWS_MAX 100
#define UDP_SWEEP_MS 5000
#define UDP_RESOLVE_MS 60000 /* a name in use is asked for again after this */
#define UDP_BATCH 64         /* datagrams in one turn */

struct udp_exit {
	struct exit_path path; /* first */
	struct channel *ch; /* until the target is resolved: nothing is lost meanwhile */
	struct udp_channel udp;
	struct resolve *resolve; /* borrowed: until it has called */
	struct addr target;
	bool has_target;
	uint64_t resolved_ms;
	struct loop_timer *sweep;
	struct list flows; /* idle longest first */
	unsigned flow_count;
	uint8_t *datagram; /* udp_max_bytes */
};

struct udp_flow {
	struct list in_exit;
	struct udp_exit *exit; /* borrowed: it ends us before it goes */
	int fd;
	struct loop_io *io;
	uint64_t used_ms;
	size_t src_bytes;
	uint8_t src[GOB_SRC_MAX];
};

static uint32_t udp_or(uint32_t value, uint32_t otherwise)
{
	return value > 0 ? value : otherwise;
}

static void udp_flow_free(struct udp_flow *flow)
{
	list_remove(&flow->in_exit);
	flow->exit->flow_count--;
	loop_io_close(flow->io);
	if (flow->fd >= 0)
		close(flow->fd);
	free(flow);
}

static void udp_flow_touch(struct udp_flow *flow)
{
	flow->used_ms = clock_now_ms();
	list_remove(&flow->in_exit);
	list_add(&flow->exit->flows, &flow->in_exit);
}

static void udp_flow_on_readable(void *arg, unsigned ready)
{
	struct udp_flow *flow = arg;
	struct udp_exit *e = flow->exit;
	uint32_t max = udp_or(e->path.exits->tuning->udp_max_bytes, GOB_PAYLOAD_MAX);

	(void)ready;
	udp_flow_touch(flow);
	for (int i = 0; i < UDP_BATCH && e->udp.stream != NULL; i++) {
		ssize_t n = recv(flow->fd, e->datagram, max, 0);

		if (n < 0)
			/* nothing more, or the target's port is closed: so be it */
			return;
		if (e->path.is_denied)
			continue;
		udp_channel_send(&e->udp,
			&(struct gob_packet){
				.src = span_of(flow->src, flow->src_bytes),
				.payload = span_of(e->datagram, (size_t)n),
			});
	}
}

static enum err udp_flow_connect(struct udp_flow *flow)
{
	struct udp_exit *e = flow->exit;
	enum err rc;

	flow->fd = fd_socket(e->target.sa.sa_family, SOCK_DGRAM);
	if (flow->fd < 0 || connect(flow->fd, &e->target.sa, e->target.n) != 0)
		return ERR_SYS;
	rc = loop_io_open(e->path.exits->worker->loop, flow->fd, udp_flow_on_readable,
		flow, &flow->io);
	if (rc == ERR_OK)
		loop_io_want(flow->io, LOOP_READ);
	return rc;
}

static struct udp_flow *udp_exit_find(struct udp_exit *e, struct span src)
{
	struct list *it, *next;

	list_each(it, next, &e->flows) {
		struct udp_flow *flow = list_object(it, struct udp_flow, in_exit);

		if (span_eq(src, span_of(flow->src, flow->src_bytes)))
			return flow;
	}
	return NULL;
}

static struct udp_flow *udp_exit_add(struct udp_exit *e, struct span src)
{
	struct udp_flow *oldest = list_first(&e->flows, struct udp_flow, in_exit);
	struct udp_flow *flow = mem_new(flow);
	uint32_t max = udp_or(e->path.exits->tuning->udp_flows_max, UDP_FLOWS_MAX);

	if (flow == NULL || src.n > sizeof(flow->src)) {
		free(flow);
		return NULL;
	}
	if (oldest != NULL && e->flow_count >= max)
		udp_flow_free(oldest);
	flow->exit = e;
	flow->fd = -1;
	flow->src_bytes = src.n;
	if (src.n > 0)
		memcpy(flow->src, src.p, src.n);
	list_init(&flow->in_exit);
	list_add(&e->flows, &flow->in_exit);
	e->flow_count++;
	if (udp_flow_connect(flow) == ERR_OK)
		return flow;
	udp_flow_free(flow);
	return NULL;
}

static void udp_exit_on_resolved(void *arg, enum err rc, const struct addr *addrs,
	unsigned count, const struct why *why);

static void udp_exit_resolve(struct udp_exit *e)
{
	struct remote_target *target = &e->path.target;

	if (e->resolve != NULL)
		return;
	e->resolved_ms = clock_now_ms();
	if (resolve_open(e->path.exits->worker->loop, target->host,
		    remote_port_number(target->port), udp_exit_on_resolved, e,
		    &e->resolve) != ERR_OK)
		e->resolve = NULL; /* a later datagram tries again */
}

static void udp_exit_on_packet(void *arg, const struct gob_packet *packet)
{
	struct udp_exit *e = arg;
	struct udp_flow *flow;

	if (clock_now_ms() - e->resolved_ms > (e->has_target ? UDP_RESOLVE_MS : 1000))
		udp_exit_resolve(e);
	if (!e->has_target || e->path.is_denied)
		return;
	flow = udp_exit_find(e, packet->src);
	if (flow == NULL)
		flow = udp_exit_add(e, packet->src);
	if (flow == NULL)
		return;
	udp_flow_touch(flow);
	(void)!send(flow->fd, packet->payload.p, packet->payload.n, 0);
}

static void udp_exit_on_sweep(void *arg)
{
	struct udp_exit *e = arg;
	uint64_t deadline = udp_or(e->path.exits->tuning->udp_deadline_ms,
		UDP_DEADLINE_MS);
	uint64_t now = clock_now_ms();
	struct udp_flow *flow;

	while ((flow = list_first(&e->flows, struct udp_flow, in_exit)) != NULL &&
		now - flow->used_ms > deadline)
		udp_flow_free(flow);
	loop_timer_set(e->sweep, UDP_SWEEP_MS);
}

/* Frees all but the struct. */
static void udp_exit_close(struct exit_path *path)
{
	struct udp_exit *e = (struct udp_exit *)path;
	struct udp_flow *flow;

	while ((flow = list_first(&e->flows, struct udp_flow, in_exit)) != NULL)
		udp_flow_free(flow);
	if (e->ch != NULL)
		channel_refuse(e->ch, SSH_RESOURCE_SHORTAGE, "not now");
	resolve_close(e->resolve);
	udp_channel_close(&e->udp);
	loop_timer_close(e->sweep);
	free(e->datagram);
}

static void udp_exit_on_closed(void *arg, enum err rc)
{
	struct udp_exit *e = arg;

	(void)rc;
	udp_exit_close(&e->path);
	exit_path_free(&e->path);
}

static enum err udp_exit_accept(struct udp_exit *e)
{
	struct channel *ch = e->ch;
	struct stream *stream;
	enum err rc;

	e->ch = NULL;
	rc = channel_accept(ch, &stream);
	if (rc != ERR_OK)
		return rc;
	rc = udp_channel_open_take(&e->udp, stream);
	if (rc != ERR_OK)
		stream_abort(stream);
	return rc;
}

static void udp_exit_on_resolved(void *arg, enum err rc, const struct addr *addrs,
	unsigned count, const struct why *why)
{
	struct udp_exit *e = arg;

	e->resolve = NULL;
	if (rc == ERR_OK && count > 0) {
		e->target = addrs[0];
		e->has_target = true;
	} else {
		log_debug(e->path.exits->log, "conn#%llu: %s",
			(unsigned long long)e->path.number, err_text(rc, why));
	}
	/* Accepted even without a target: it may resolve later. */
	if (e->ch != NULL && udp_exit_accept(e) != ERR_OK)
		udp_exit_on_closed(e, ERR_CLOSED);
}

static void udp_exit_start(struct exit_path *path, struct channel *ch)
{
	struct udp_exit *e = (struct udp_exit *)path;
	struct exits *x = path->exits;

	list_init(&e->flows);
	udp_channel_init(&e->udp);
	e->udp.on_packet = udp_exit_on_packet;
	e->udp.on_closed = udp_exit_on_closed;
	e->udp.arg = e;
	e->ch = ch;
	e->datagram = malloc(udp_or(x->tuning->udp_max_bytes, GOB_PAYLOAD_MAX));
	udp_exit_resolve(e);
	if (e->datagram == NULL || e->resolve == NULL ||
		loop_timer_open(x->worker->loop, udp_exit_on_sweep, e, &e->sweep) !=
			ERR_OK)
		udp_exit_on_closed(e, ERR_NOMEM);
	else
		loop_timer_set(e->sweep, UDP_SWEEP_MS);
}

const struct exit_kind exit_udp = {
	.bytes = sizeof(struct udp_exit),
	.start = udp_exit_start,
	.close = udp_exit_close,
	.outlives_denial = true,
};
