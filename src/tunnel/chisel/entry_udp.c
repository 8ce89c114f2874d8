/*
 * A UDP entry: one channel for all its peers, opened as soon as there is a session.
 * Answers go only to peers that have spoken lately: the other end may name anybody.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/addr.h"
#include "net/listener.h"
#include "tunnel/chisel/entry_kinds.h"
#include "tunnel/chisel/udp_channel.h"

#define UDP_DEADLINE_MS 15000
#define UDP_PEERS_MAX 100
#define UDP_REOPEN_MS 1000      /* pause before a channel that ended is opened anew, */
#define UDP_REOPEN_MAX_MS 30000 /* doubled up to this while nothing comes of it */
#define UDP_BATCH 64            /* datagrams in one turn */

struct udp_peer {
	struct list in_entry; /* the one that spoke last is last */
	char text[ADDR_TEXT_MAX];
	struct addr addr;
	uint64_t heard_ms;
};

struct udp_entry {
	struct entry entry; /* first */
	int fd;
	struct loop_io *io;
	struct loop_timer *timer; /* to open the channel again */
	uint32_t pause_ms;        /* before that */
	struct channel *dial;     /* borrowed: while we wait for the channel */
	struct udp_channel udp;
	struct list peers;
	unsigned peer_count;
	uint8_t *datagram; /* UDP_MAX_SIZE bytes */
};

static uint32_t udp_or(uint32_t value, uint32_t otherwise)
{
	return value > 0 ? value : otherwise;
}

static void udp_peer_free(struct udp_entry *e, struct udp_peer *peer)
{
	list_remove(&peer->in_entry);
	e->peer_count--;
	free(peer);
}

/* The peer of that text if it has spoken lately; drops those that have not. */
static struct udp_peer *udp_entry_find(struct udp_entry *e, struct span text)
{
	uint64_t deadline = udp_or(e->entry.tuning->udp_deadline_ms, UDP_DEADLINE_MS);
	uint64_t now = clock_now_ms();
	struct list *it, *next;

	list_each(it, next, &e->peers) {
		struct udp_peer *peer = list_object(it, struct udp_peer, in_entry);

		if (now - peer->heard_ms > deadline)
			udp_peer_free(e, peer);
		else if (span_is(text, peer->text))
			return peer;
	}
	return NULL;
}

/* A new peer; the one that has been silent longest makes room. */
static struct udp_peer *udp_entry_add(struct udp_entry *e, const char text[ADDR_TEXT_MAX])
{
	struct udp_peer *oldest = list_first(&e->peers, struct udp_peer, in_entry);
	struct udp_peer *peer = mem_new(peer);

	if (peer == NULL)
		return NULL;
	if (oldest != NULL &&
		e->peer_count >= udp_or(e->entry.tuning->udp_flows_max, UDP_PEERS_MAX))
		udp_peer_free(e, oldest);
	memcpy(peer->text, text, ADDR_TEXT_MAX);
	list_init(&peer->in_entry);
	e->peer_count++;
	return peer;
}

static struct udp_peer *udp_entry_learn(struct udp_entry *e, const struct addr *from)
{
	char text[ADDR_TEXT_MAX] = "";
	struct udp_peer *peer = udp_entry_find(e, span_str(addr_print(from, text)));

	if (peer == NULL)
		peer = udp_entry_add(e, text);
	if (peer == NULL)
		return NULL;
	peer->addr = *from;
	peer->heard_ms = clock_now_ms();
	list_remove(&peer->in_entry);
	list_add(&e->peers, &peer->in_entry);
	return peer;
}

static void udp_entry_on_readable(void *arg, unsigned ready)
{
	struct udp_entry *e = arg;
	uint32_t max = udp_or(e->entry.tuning->udp_max_bytes, GOB_PAYLOAD_MAX);

	(void)ready;
	for (int i = 0; i < UDP_BATCH; i++) {
		struct addr from = { .n = sizeof(from.any) };
		ssize_t n = recvfrom(e->fd, e->datagram, max, 0, &from.sa, &from.n);
		struct udp_peer *peer;

		if (n < 0)
			return;
		peer = udp_entry_learn(e, &from);
		if (peer == NULL)
			return;
		udp_channel_send(&e->udp,
			&(struct gob_packet){
				.src = span_str(peer->text),
				.payload = span_of(e->datagram, (size_t)n),
			});
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
	struct udp_peer *peer = udp_entry_find(e, packet->src);

	e->pause_ms = UDP_REOPEN_MS; /* the channel is good for something */
	if (peer != NULL)
		(void)!sendto(e->fd, packet->payload.p, packet->payload.n, 0,
			&peer->addr.sa, peer->addr.n); /* it is UDP: lost is lost */
}

static void udp_entry_on_udp_closed(void *arg, enum err rc)
{
	struct udp_entry *e = arg;

	log_debug(&e->entry.log, "channel ended: %s", err_name(rc));
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
	struct loop *loop = entry->worker->loop;
	struct addr at;
	enum err rc;

	e->fd = -1;
	e->pause_ms = UDP_REOPEN_MS;
	list_init(&e->peers);
	udp_channel_init(&e->udp);
	e->udp.on_packet = udp_entry_on_packet;
	e->udp.on_closed = udp_entry_on_udp_closed;
	e->udp.arg = e;
	e->datagram = malloc(udp_or(entry->tuning->udp_max_bytes, GOB_PAYLOAD_MAX));
	if (e->datagram == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a datagram");
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
	struct udp_peer *peer;

	channel_dial_close(e->dial);
	udp_channel_close(&e->udp);
	loop_io_close(e->io);
	loop_timer_close(e->timer);
	if (e->fd >= 0)
		close(e->fd);
	while ((peer = list_first(&e->peers, struct udp_peer, in_entry)) != NULL)
		udp_peer_free(e, peer);
	free(e->datagram);
}

const struct entry_kind entry_udp = {
	.bytes = sizeof(struct udp_entry),
	.open = udp_entry_open,
	.on_session = udp_entry_on_session,
	.close = udp_entry_close,
};
