/* A TCP entry: every connection becomes a channel. */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/bridge.h"
#include "net/listener.h"
#include "net/socket.h"
#include "tunnel/chisel/entry_kinds.h"

#define ENTRY_WAIT_MS 35000
#define ENTRY_WAITING_MAX 1024 /* then the kernel queues */

struct tcp_entry {
	struct entry entry; /* first */
	struct listener *listener;
	struct list waiting;  /* visitors without a session, oldest first */
	struct list visiting; /* the others */
	unsigned waiting_count;
	struct loop_timer *timer; /* for the oldest that waits */
	uint64_t count;           /* visitors so far, for their numbers */
};

struct visitor {
	struct list in_entry;
	struct tcp_entry *entry; /* borrowed: it ends us before it goes */
	uint64_t number;
	uint64_t came_ms;
	struct stream *socket; /* until it is bridged */
	struct channel *dial;  /* borrowed: while we wait for the channel */
	struct bridge *bridge; /* borrowed: while it runs */
};

static void visitor_dial(struct visitor *v);

static void visitor_free(struct visitor *v)
{
	list_remove(&v->in_entry);
	free(v);
}

/* Ends a visitor that is not bridged yet. */
static void visitor_drop(struct visitor *v)
{
	channel_dial_close(v->dial);
	stream_abort(v->socket);
	visitor_free(v);
}

static void visitor_on_closed(void *arg, const struct bridge_end *end)
{
	struct visitor *v = arg;

	log_debug(&v->entry->entry.log, "conn#%llu: Close (sent %lluB received %lluB)",
		(unsigned long long)v->number, (unsigned long long)end->b_to_a_bytes,
		(unsigned long long)end->a_to_b_bytes);
	visitor_free(v);
}

static void visitor_bridge(struct visitor *v, struct stream *channel)
{
	struct worker *w = v->entry->entry.worker;
	struct bridge_options o = {
		.loop = w->loop,
		.pool = &w->blocks,
		.a = v->socket,
		.b = channel,
		.on_closed = visitor_on_closed,
		.arg = v,
	};

	if (bridge_open(&o, &v->bridge) != ERR_OK) {
		stream_abort(channel);
		visitor_drop(v);
		return;
	}
	v->socket = NULL;
}

static uint64_t tcp_entry_timeout_ms(const struct tcp_entry *e)
{
	uint64_t ms = e->entry.tuning->session_wait_ms;

	return ms > 0 ? ms : ENTRY_WAIT_MS;
}

/* Waits for the next session: this one ended before anything was said. */
static void visitor_wait(struct visitor *v)
{
	struct tcp_entry *e = v->entry;

	list_remove(&v->in_entry);
	list_add(&e->waiting, &v->in_entry);
	if (++e->waiting_count >= ENTRY_WAITING_MAX)
		listener_pause(e->listener, true);
	if (!loop_timer_is_set(e->timer))
		loop_timer_set(e->timer, tcp_entry_timeout_ms(e));
}

static void visitor_on_opened(void *arg, enum err rc, struct stream *channel,
	const struct why *why)
{
	struct visitor *v = arg;

	v->dial = NULL;
	if (rc == ERR_CLOSED) {
		visitor_wait(v);
		return;
	}
	entry_note(&v->entry->entry, v->number, rc, why);
	if (rc == ERR_OK)
		visitor_bridge(v, channel);
	else
		visitor_drop(v);
}

static void visitor_dial(struct visitor *v)
{
	struct entry *e = &v->entry->entry;
	enum err rc = chisel_session_dial(e->session, e->target, visitor_on_opened, v,
		&v->dial);

	if (rc == ERR_CLOSED) {
		visitor_wait(v);
	} else if (rc != ERR_OK) {
		log_limited(LOG_WARN, &e->log, "conn#%llu: no channel: %s",
			(unsigned long long)v->number, err_name(rc));
		visitor_drop(v);
	}
}

static void tcp_entry_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct tcp_entry *e = arg;
	struct visitor *v = mem_new(v);

	(void)peer;
	if (v == NULL ||
		socket_open_take(e->entry.worker->loop, fd, &v->socket) != ERR_OK) {
		close(fd);
		free(v);
		return;
	}
	v->entry = e;
	v->number = ++e->count;
	v->came_ms = clock_now_ms();
	list_init(&v->in_entry);
	list_add(&e->visiting, &v->in_entry);
	log_debug(&e->entry.log, "conn#%llu: Open", (unsigned long long)v->number);
	if (e->entry.session != NULL)
		visitor_dial(v);
	else
		visitor_wait(v);
}

static void tcp_entry_on_timer(void *arg)
{
	struct tcp_entry *e = arg;
	uint64_t timeout_ms = tcp_entry_timeout_ms(e);
	uint64_t now = clock_now_ms(), waited;
	struct visitor *v;

	while ((v = list_first(&e->waiting, struct visitor, in_entry)) != NULL) {
		waited = now - v->came_ms;
		if (waited < timeout_ms) {
			loop_timer_set(e->timer, timeout_ms - waited);
			return;
		}
		log_limited(LOG_INFO, &e->entry.log,
			"conn#%llu: no session within %llu ms",
			(unsigned long long)v->number, (unsigned long long)timeout_ms);
		e->waiting_count--;
		visitor_drop(v);
		listener_pause(e->listener, false);
	}
}

static void tcp_entry_on_session(struct entry *entry)
{
	struct tcp_entry *e = (struct tcp_entry *)entry;
	struct list waiting, *it, *next;

	if (entry->session == NULL)
		return;
	list_init(&waiting);
	list_move_all(&waiting, &e->waiting);
	e->waiting_count = 0;
	loop_timer_stop(e->timer);
	listener_pause(e->listener, false);
	list_each(it, next, &waiting) {
		list_remove(it);
		list_add(&e->visiting, it);
		visitor_dial(list_object(it, struct visitor, in_entry));
	}
}

static enum err tcp_entry_open(struct entry *entry, struct why *why)
{
	struct tcp_entry *e = (struct tcp_entry *)entry;
	struct addr at;
	enum err rc;

	list_init(&e->waiting);
	list_init(&e->visiting);
	rc = loop_timer_open(entry->worker->loop, tcp_entry_on_timer, e, &e->timer);
	if (rc != ERR_OK)
		return err_set(why, rc, "no memory for a timer");
	rc = listener_open(entry->worker->loop, entry->remote.local_host,
		entry_wanted_port(entry), tcp_entry_on_accept, e, &e->listener, why);
	if (rc != ERR_OK)
		return rc;
	listener_addr(e->listener, &at);
	entry->port = addr_port(&at);
	return ERR_OK;
}

static void visitors_end(struct list *visitors)
{
	struct list *it, *next;
	struct visitor *v;

	list_each(it, next, visitors) {
		v = list_object(it, struct visitor, in_entry);
		bridge_close(v->bridge);
		visitor_drop(v);
	}
}

static void tcp_entry_close(struct entry *entry)
{
	struct tcp_entry *e = (struct tcp_entry *)entry;

	listener_close(e->listener);
	loop_timer_close(e->timer);
	if (e->timer == NULL)
		return; /* nothing else was set up */
	visitors_end(&e->waiting);
	visitors_end(&e->visiting);
}

const struct entry_kind entry_tcp = {
	.bytes = sizeof(struct tcp_entry),
	.open = tcp_entry_open,
	.on_session = tcp_entry_on_session,
	.close = tcp_entry_close,
};
