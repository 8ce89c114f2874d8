/*
 * A UDP entry: one channel for all its users, opened as soon as there is a session.
 * Answers go only to addresses that have sent something lately: the other end may name
 * any address.
 */
#include <stdlib.h>
#include <unistd.h>

#include "net/listener.h"
#include "tunnel/chisel/entry_priv.h"
#include "tunnel/chisel/udp_channel.h"

#define UDP_REOPEN_MS 1000      /* pause before a channel that ended is opened again, */
#define UDP_REOPEN_MAX_MS 30000 /* doubled up to this until a datagram comes back */
#define UDP_BATCH 64            /* datagrams in one turn */

struct udp_entry {
	struct entry entry; /* first */
	int fd;
	struct loop_io *io;
	struct loop_timer *timer; /* to open the channel again */
	uint32_t pause_ms;        /* before that */
	struct channel *dial;     /* borrowed: while we wait for the channel */
	struct udp_channel udp;
	struct udp_flows flows; /* named by the address of the user */
};

/* The flow of that name if it is in use. */
static struct udp_flow *udp_entry_find(struct udp_entry *e, struct span src)
{
	udp_flows_expire(&e->flows);
	return udp_flows_find(&e->flows, src);
}

static void udp_entry_on_readable(void *arg, unsigned ready)
{
	struct udp_entry *e = arg;
	char text[ADDR_TEXT_MAX];

	(void)ready;
	for (int i = 0; i < UDP_BATCH; i++) {
		struct addr from = { .n = sizeof(from.any) };
		ssize_t n = recvfrom(e->fd, e->flows.datagram, e->flows.datagram_max, 0,
			&from.sa, &from.n);
		struct gob_packet packet = {
			.payload = span_of(e->flows.datagram, n > 0 ? (size_t)n : 0),
		};
		struct udp_flow *flow;

		if (n < 0)
			return;
		packet.src = span_str(addr_print(&from, text));
		flow = udp_entry_find(e, packet.src);
		if (flow == NULL)
			flow = udp_flows_add(&e->flows, packet.src);
		if (flow == NULL)
			return;
		flow->user = from;
		udp_flow_touch(flow);
		udp_channel_send(&e->udp, &packet);
	}
}

static void udp_entry_dial_later(struct udp_entry *e)
{
	loop_timer_set(e->timer, e->pause_ms);
	e->pause_ms *= 2;
	if (e->pause_ms > UDP_REOPEN_MAX_MS)
		e->pause_ms = UDP_REOPEN_MAX_MS;
}

static void udp_entry_on_packet(void *arg, const struct gob_packet *packet)
{
	struct udp_entry *e = arg;
	struct udp_flow *flow = udp_entry_find(e, packet->src);

	e->pause_ms = UDP_REOPEN_MS; /* the channel works */
	if (flow != NULL)
		(void)!sendto(e->fd, packet->payload.p, packet->payload.n, 0,
			&flow->user.sa, flow->user.n); /* it is UDP: lost is lost */
}

static void udp_entry_on_udp_closed(void *arg, enum err rc)
{
	struct udp_entry *e = arg;

	log_debug(&e->entry.log, "UDP channel closed: %s", err_name(rc));
	udp_entry_dial_later(e);
}

static void udp_entry_on_opened(void *arg, enum err rc, struct stream *channel,
	const struct why *why)
{
	struct udp_entry *e = arg;

	e->dial = NULL;
	if (rc == ERR_OK) {
		rc = udp_channel_open_take(&e->udp, channel);
		if (rc != ERR_OK)
			stream_abort(channel);
	}
	if (rc == ERR_OK)
		return;
	if (rc != ERR_CLOSED)
		entry_note(&e->entry, 1, rc, why);
	udp_entry_dial_later(e);
}

static void udp_entry_dial(void *arg)
{
	struct udp_entry *e = arg;

	if (e->entry.session == NULL || e->dial != NULL || e->udp.stream != NULL)
		return;
	if (chisel_session_dial(e->entry.session, e->entry.target, udp_entry_on_opened, e,
		    &e->dial) != ERR_OK)
		udp_entry_dial_later(e);
}

static void udp_entry_on_session(struct entry *entry)
{
	struct udp_entry *e = (struct udp_entry *)entry;

	channel_dial_close(e->dial);
	e->dial = NULL;
	udp_channel_close(&e->udp);
	loop_timer_stop(e->timer);
	e->pause_ms = UDP_REOPEN_MS;
	udp_entry_dial(e);
}

static enum err udp_entry_open(struct entry *entry, struct why *why)
{
	struct udp_entry *e = (struct udp_entry *)entry;
	struct loop *loop = entry->o.worker->loop;
	struct addr at;
	enum err rc;

	e->fd = -1;
	e->pause_ms = UDP_REOPEN_MS;
	udp_channel_init(&e->udp);
	e->udp.on_packet = udp_entry_on_packet;
	e->udp.on_closed = udp_entry_on_udp_closed;
	e->udp.arg = e;
	rc = udp_flows_init(&e->flows, entry->o.tuning);
	if (rc != ERR_OK)
		return err_set(why, rc, "no memory for a datagram");
	rc = listener_bind_udp(entry->remote.local_host, entry_wanted_port(entry), &e->fd,
		why);
	if (rc != ERR_OK)
		return rc;
	if (addr_of_local(e->fd, &at))
		entry->port = addr_port(&at);
	rc = loop_timer_open(loop, udp_entry_dial, e, &e->timer);
	if (rc == ERR_OK)
		rc = loop_io_open(loop, e->fd, udp_entry_on_readable, e, &e->io);
	if (rc != ERR_OK)
		return err_set(why, rc, "no memory for a UDP port");
	loop_io_want(e->io, LOOP_READ);
	return ERR_OK;
}

static void udp_entry_close(struct entry *entry)
{
	struct udp_entry *e = (struct udp_entry *)entry;

	channel_dial_close(e->dial);
	udp_channel_close(&e->udp);
	loop_io_close(e->io);
	loop_timer_close(e->timer);
	if (e->fd >= 0)
		close(e->fd);
	udp_flows_fini(&e->flows);
}

const struct entry_kind entry_udp = {
	.bytes = sizeof(struct udp_entry),
	.open = udp_entry_open,
	.on_session = udp_entry_on_session,
	.close = udp_entry_close,
};
