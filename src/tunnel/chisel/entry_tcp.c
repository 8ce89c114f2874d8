/*
 * A TCP entry: every connection is a visitor, and becomes a channel. A stdio entry has
 * one visitor, standard input and output, which waits for a session without limit.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/bridge.h"
#include "net/listener.h"
#include "net/socket.h"
#include "net/stdio.h"
#include "tunnel/chisel/entry_priv.h"

#define ENTRY_WAIT_MS 35000
#define ENTRY_WAITING_MAX 1024 /* then the kernel queues */

struct tcp_entry {
	struct entry entry;        /* first */
	struct listener *listener; /* NULL: it is stdio */
	struct list waiting;       /* visitors without a session, oldest first */
	struct list visiting;      /* the others */
	unsigned waiting_count;
	struct loop_timer *timer; /* for the oldest that waits; NULL: it is stdio */
	unsigned long long visitor_count; /* so far, for their numbers */
};

struct tcp_visitor {
	struct list in_entry;
	struct tcp_entry *entry; /* borrowed: it ends us before it goes */
	unsigned long long number;
	uint64_t came_ms;
	struct stream *stream; /* until it is bridged */
	struct channel *dial;  /* borrowed: while we wait for the channel */
	struct bridge *bridge; /* borrowed: while it runs */
};

static void tcp_visitor_free(struct tcp_visitor *v)
{
	channel_dial_close(v->dial);
	bridge_close(v->bridge);
	stream_abort(v->stream);
	list_remove(&v->in_entry);
	free(v);
}

/* It is over, and for a stdio entry with it. */
static void tcp_visitor_end(struct tcp_visitor *v)
{
	struct entry *e = &v->entry->entry;

	tcp_visitor_free(v);
	if (e->remote.is_stdio && e->o.on_done != NULL)
		e->o.on_done(e->o.arg);
}

static void tcp_visitor_on_closed(void *arg, const struct bridge_end *end)
{
	struct tcp_visitor *v = arg;

	log_debug(&v->entry->entry.log, "conn#%llu: Close (sent %lluB received %lluB)",
		v->number, (unsigned long long)end->b_to_a_bytes,
		(unsigned long long)end->a_to_b_bytes);
	v->bridge = NULL;
	tcp_visitor_end(v);
}

static uint64_t tcp_entry_timeout_ms(const struct tcp_entry *e)
{
	return chisel_tuned(e->entry.o.tuning->session_wait_ms, ENTRY_WAIT_MS);
}

/* Waits for the next session: there is none, or it ended before the channel opened. */
static void tcp_visitor_wait(struct tcp_visitor *v)
{
	struct tcp_entry *e = v->entry;

	list_remove(&v->in_entry);
	list_add(&e->waiting, &v->in_entry);
	e->waiting_count++;
	if (e->listener == NULL)
		return;
	if (e->waiting_count >= ENTRY_WAITING_MAX)
		listener_pause(e->listener, true);
	if (!loop_timer_is_set(e->timer))
		loop_timer_set(e->timer, tcp_entry_timeout_ms(e));
}

static void tcp_visitor_on_opened(void *arg, enum err rc, struct stream *channel,
	const struct why *why)
{
	struct tcp_visitor *v = arg;
	struct entry *e = &v->entry->entry;
	struct bridge_options o = {
		.loop = e->o.worker->loop,
		.pool = &e->o.worker->blocks,
		.a = v->stream,
		.b = channel,
		.on_closed = tcp_visitor_on_closed,
		.arg = v,
	};

	v->dial = NULL;
	if (rc == ERR_CLOSED) {
		tcp_visitor_wait(v);
		return;
	}
	entry_note(e, v->number, rc, why);
	if (rc == ERR_OK && bridge_open(&o, &v->bridge) == ERR_OK) {
		v->stream = NULL;
		return;
	}
	stream_abort(channel);
	tcp_visitor_end(v);
}

static void tcp_visitor_dial(struct tcp_visitor *v)
{
	struct entry *e = &v->entry->entry;
	enum err rc = ERR_CLOSED;

	if (e->session != NULL)
		rc = chisel_session_dial(e->session, e->target, tcp_visitor_on_opened, v,
			&v->dial);
	if (rc == ERR_CLOSED) {
		tcp_visitor_wait(v);
	} else if (rc != ERR_OK) {
		log_limited(LOG_WARN, &e->log, "conn#%llu: cannot open a channel: %s",
			v->number, err_name(rc));
		tcp_visitor_end(v);
	}
}

/* Takes the stream of @v. */
static void tcp_entry_add(struct tcp_entry *e, struct tcp_visitor *v)
{
	v->entry = e;
	v->number = ++e->visitor_count;
	v->came_ms = clock_now_ms();
	list_init(&v->in_entry);
	list_add(&e->visiting, &v->in_entry);
	log_debug(&e->entry.log, "conn#%llu: Open", v->number);
	tcp_visitor_dial(v);
}

static void tcp_entry_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct tcp_entry *e = arg;
	struct tcp_visitor *v = mem_new(v);

	(void)peer;
	if (v == NULL ||
		socket_open_take(e->entry.o.worker->loop, fd, &v->stream) != ERR_OK) {
		close(fd);
		free(v);
		return;
	}
	tcp_entry_add(e, v);
}

static void tcp_entry_on_timer(void *arg)
{
	struct tcp_entry *e = arg;
	uint64_t timeout_ms = tcp_entry_timeout_ms(e);
	uint64_t now = clock_now_ms(), waited;
	struct tcp_visitor *v;

	while ((v = list_first(&e->waiting, struct tcp_visitor, in_entry)) != NULL) {
		waited = now - v->came_ms;
		if (waited < timeout_ms) {
			loop_timer_set(e->timer, timeout_ms - waited);
			return;
		}
		log_limited(LOG_INFO, &e->entry.log,
			"conn#%llu: closed: no session within %llu ms", v->number,
			(unsigned long long)timeout_ms);
		e->waiting_count--;
		tcp_visitor_free(v);
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
	if (e->listener != NULL) {
		loop_timer_stop(e->timer);
		listener_pause(e->listener, false);
	}
	list_each(it, next, &waiting) {
		list_remove(it);
		list_add(&e->visiting, it);
		tcp_visitor_dial(list_object(it, struct tcp_visitor, in_entry));
	}
}

static enum err tcp_entry_open(struct entry *entry, struct why *why)
{
	struct tcp_entry *e = (struct tcp_entry *)entry;
	enum err rc;

	list_init(&e->waiting);
	list_init(&e->visiting);
	rc = loop_timer_open(entry->o.worker->loop, tcp_entry_on_timer, e, &e->timer);
	if (rc != ERR_OK)
		return err_set(why, rc, "no memory for a timer");
	rc = listener_open(entry->o.worker->loop, entry->remote.local_host,
		entry_wanted_port(entry), tcp_entry_on_accept, e, &e->listener, why);
	if (rc != ERR_OK)
		return rc;
	entry->port = listener_port(e->listener);
	return ERR_OK;
}

static enum err stdio_entry_open(struct entry *entry, struct why *why)
{
	struct tcp_entry *e = (struct tcp_entry *)entry;
	struct tcp_visitor *v = mem_new(v);
	enum err rc;

	list_init(&e->waiting);
	list_init(&e->visiting);
	if (v == NULL)
		return err_set(why, ERR_NOMEM, "no memory for standard input");
	rc = stdio_open(entry->o.worker->loop, STDIN_FILENO, STDOUT_FILENO, &v->stream,
		why);
	if (rc == ERR_OK)
		tcp_entry_add(e, v);
	else
		free(v);
	return rc;
}

static void tcp_entry_close(struct entry *entry)
{
	struct tcp_entry *e = (struct tcp_entry *)entry;
	struct list *it, *next;

	listener_close(e->listener);
	loop_timer_close(e->timer);
	list_move_all(&e->visiting, &e->waiting);
	list_each(it, next, &e->visiting)
		tcp_visitor_free(list_object(it, struct tcp_visitor, in_entry));
}

const struct entry_kind entry_tcp = {
	.bytes = sizeof(struct tcp_entry),
	.open = tcp_entry_open,
	.on_session = tcp_entry_on_session,
	.close = tcp_entry_close,
};

const struct entry_kind entry_stdio = {
	.bytes = sizeof(struct tcp_entry),
	.open = stdio_entry_open,
	.on_session = tcp_entry_on_session,
	.close = tcp_entry_close,
};
