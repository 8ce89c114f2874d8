/* A mux carries all channels of a session over one connection. */
#include "tunnel/chisel/mux.h"

#include "base/clock.h"
#include "tunnel/chisel/channel.h"

#define MUX_BUDGET_BYTES (1u << 20) /* sent in one turn of the loop, then others go on */
#define MUX_LIGHT_RUN 16            /* light turns for one bulk turn */
#define MUX_LINGER_MS 250           /* between looks at the channels that linger */

static void mux_on_pump(void *arg);
static void mux_tell_broken(void *arg);
static void mux_on_linger(void *arg);

enum err mux_init(struct mux *m, struct loop *loop, struct pool *pool, enum ws_role role)
{
	*m = (struct mux){ .loop = loop };
	outbox_init(&m->outbox, pool, role);
	list_init(&m->channels);
	list_init(&m->light);
	list_init(&m->bulk);
	list_init(&m->lingering);
	loop_deferred_init(&m->pump, mux_on_pump, m);
	loop_deferred_init(&m->broken, mux_tell_broken, m);
	return loop_timer_open(loop, mux_on_linger, m, &m->linger);
}

void mux_fini(struct mux *m)
{
	loop_undefer(&m->pump);
	loop_undefer(&m->broken);
	loop_timer_close(m->linger);
	outbox_fini(&m->outbox);
}

void mux_pump_soon(struct mux *m)
{
	if (!m->is_full && !m->is_broken)
		loop_defer(m->loop, &m->pump);
}

static void mux_tell_broken(void *arg)
{
	struct mux *m = arg;

	m->on_broken(m->arg, m->broken_rc);
}

void mux_break(struct mux *m, enum err rc)
{
	if (m->is_broken)
		return;
	m->is_broken = true;
	m->broken_rc = rc;
	loop_defer(m->loop, &m->broken);
}

void mux_note_use(struct mux *m, bool is_sent)
{
	if (!keepalive_wants_use(&m->keepalive))
		return;
	keepalive_on_use(&m->keepalive, is_sent, clock_now_ms());
	m->on_use(m->arg);
}

bool mux_has_room(const struct mux *m, const struct channel *ch)
{
	size_t limit = MUX_FULL_BYTES;

	if (m->is_broken)
		return false;
	if (m->turn == ch)
		return m->outbox.queued_bytes < limit;
	if (!ch->is_bulk)
		limit += MUX_LIGHT_BYTES;
	else if (!list_is_empty(&m->light) || !list_is_empty(&m->bulk))
		return false; /* others wait: queue up behind them */
	return m->outbox.queued_bytes < limit;
}

void mux_want_turn(struct mux *m, struct channel *ch, bool is_bulk)
{
	list_remove(&ch->in_turn);
	list_add(is_bulk ? &m->bulk : &m->light, &ch->in_turn);
	mux_pump_soon(m);
}

/* The channel whose turn is next, taken off its list; NULL if none waits. */
static struct channel *mux_next(struct mux *m)
{
	bool is_light = !list_is_empty(&m->light) &&
		(m->light_run < MUX_LIGHT_RUN || list_is_empty(&m->bulk));
	struct list *from = is_light ? &m->light : &m->bulk;
	struct channel *ch = list_first(from, struct channel, in_turn);

	if (ch == NULL)
		return NULL;
	m->light_run = is_light ? m->light_run + 1 : 0;
	list_remove(&ch->in_turn);
	return ch;
}

/* Lets channels fill the outbox as far as one flush can use. */
static void mux_give_turns(struct mux *m)
{
	struct channel *ch;

	while (m->outbox.queued_bytes < MUX_FULL_BYTES && ssh_can_send(m->ssh) &&
		!m->is_broken && (ch = mux_next(m)) != NULL) {
		m->turn = ch;
		channel_on_turn(ch);
		m->turn = NULL;
	}
}

static void mux_on_pump(void *arg)
{
	struct mux *m = arg;
	size_t sent = 0, before;
	enum err rc = ERR_OK;
	bool wants_write;

	while (!m->is_broken && sent < MUX_BUDGET_BYTES) {
		mux_give_turns(m);
		before = m->outbox.queued_bytes;
		if (before == 0)
			break;
		rc = outbox_flush(&m->outbox, m->stream);
		sent += before - m->outbox.queued_bytes;
		if (rc != ERR_OK)
			break;
	}
	if (m->is_broken)
		return;
	if (rc != ERR_OK && rc != ERR_AGAIN) {
		mux_break(m, rc);
		return;
	}
	m->is_full = rc == ERR_AGAIN;
	wants_write = m->is_full ||
		(ssh_can_send(m->ssh) &&
			(!list_is_empty(&m->light) || !list_is_empty(&m->bulk)));
	if (wants_write == m->wants_write)
		return;
	m->wants_write = wants_write;
	stream_want(m->stream, LOOP_READ | (wants_write ? LOOP_WRITE : 0));
}

void mux_on_writable(struct mux *m)
{
	m->is_full = false;
	mux_on_pump(m);
}

static void mux_on_linger(void *arg)
{
	struct mux *m = arg;
	uint64_t now = clock_now_ms();
	struct list *it, *next;

	list_each(it, next, &m->lingering)
		channel_on_tick(list_object(it, struct channel, in_linger), now);
	if (m->linger_count > 0)
		loop_timer_set(m->linger, MUX_LINGER_MS);
}

void mux_linger(struct mux *m, struct channel *ch)
{
	list_add(&m->lingering, &ch->in_linger);
	if (m->linger_count++ == 0)
		loop_timer_set(m->linger, MUX_LINGER_MS);
}

/* The window was 0 meanwhile, so no channel that wants a turn was queued for one. */
void mux_on_rekeyed(struct mux *m)
{
	struct list *it, *next;

	list_each(it, next, &m->channels)
		channel_check_wants(list_object(it, struct channel, in_mux));
}
