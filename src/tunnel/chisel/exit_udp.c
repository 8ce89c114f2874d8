/*
 * A UDP exit: one connected socket for each flow, named by the text the entry gave it.
 * The flow that was idle longest makes room for a new one. chisel-protocol 6.6.
 *
 * A datagram that cannot be sent does not close the channel: stock entries before 1.12
 * do not survive that.
 */
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "loop/fd.h"
#include "net/resolver.h"
#include "tunnel/chisel/exit_priv.h"
#include "tunnel/chisel/udp_channel.h"

#define UDP_SWEEP_MS 5000
#define UDP_RESOLVE_MS 60000 /* a name in use is asked for again after this */
#define UDP_BATCH 64         /* datagrams in one turn */

struct udp_exit {
	struct exit_path path; /* first */
	struct channel
		*ch; /* until the target is resolved: the peer keeps its datagrams */
	struct udp_channel udp;
	struct resolve *resolve; /* borrowed: until it has called */
	struct addr target;
	bool has_target;
	uint64_t resolved_ms;
	struct loop_timer *sweep;
	struct udp_flows flows; /* named by the entry */
};

static struct udp_exit *udp_exit_of(struct udp_flow *flow)
{
	return mem_container(flow->flows, struct udp_exit, flows);
}

static void udp_flow_on_readable(void *arg, unsigned ready)
{
	struct udp_flow *flow = arg;
	struct udp_exit *e = udp_exit_of(flow);

	(void)ready;
	udp_flow_touch(flow);
	for (int i = 0; i < UDP_BATCH && e->udp.stream != NULL; i++) {
		ssize_t n = recv(flow->fd, e->flows.datagram, e->flows.datagram_max, 0);

		if (n < 0)
			/* nothing more, or the target's port is closed */
			return;
		if (e->path.is_denied)
			continue;
		udp_channel_send(&e->udp,
			&(struct gob_packet){
				.src = span_of(flow->src, flow->src_bytes),
				.payload = span_of(e->flows.datagram, (size_t)n),
			});
	}
}

static enum err udp_flow_connect(struct udp_flow *flow)
{
	struct udp_exit *e = udp_exit_of(flow);
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
	flow = udp_flows_find(&e->flows, packet->src);
	if (flow == NULL) {
		flow = udp_flows_add(&e->flows, packet->src);
		if (flow == NULL)
			return;
		if (udp_flow_connect(flow) != ERR_OK) {
			udp_flow_free(flow);
			return;
		}
	}
	udp_flow_touch(flow);
	(void)!send(flow->fd, packet->payload.p, packet->payload.n, 0);
}

static void udp_exit_on_sweep(void *arg)
{
	struct udp_exit *e = arg;

	udp_flows_expire(&e->flows);
	loop_timer_set(e->sweep, UDP_SWEEP_MS);
}

/* Frees all but the struct. */
static void udp_exit_close(struct exit_path *path)
{
	struct udp_exit *e = (struct udp_exit *)path;

	udp_flows_fini(&e->flows);
	if (e->ch != NULL)
		channel_refuse(e->ch, SSH_RESOURCE_SHORTAGE, "not now");
	resolve_close(e->resolve);
	udp_channel_close(&e->udp);
	loop_timer_close(e->sweep);
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
		log_debug(e->path.exits->log, "conn#%llu: %s", e->path.number,
			err_text(rc, why));
	}
	/* Accepted even without a target: it may resolve later. */
	if (e->ch != NULL && udp_exit_accept(e) != ERR_OK)
		udp_exit_on_closed(e, ERR_CLOSED);
}

static void udp_exit_start(struct exit_path *path, struct channel *ch)
{
	struct udp_exit *e = (struct udp_exit *)path;
	struct exits *x = path->exits;
	enum err rc;

	udp_channel_init(&e->udp);
	e->udp.on_packet = udp_exit_on_packet;
	e->udp.on_closed = udp_exit_on_closed;
	e->udp.arg = e;
	e->ch = ch;
	rc = udp_flows_init(&e->flows, x->tuning);
	udp_exit_resolve(e);
	if (rc != ERR_OK || e->resolve == NULL ||
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
