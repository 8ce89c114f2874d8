/* The trunk is what all channels of a session share. */
#include "tunnel/chisel/trunk.h"

#include "base/clock.h"
#include "tunnel/chisel/channel.h"

#define TRUNK_BUDGET_BYTES \
	(1u << 20)          /* sent in one turn of the loop, then others go on */
#define TRUNK_LIGHT_RUN 16  /* light turns for one bulk turn */
#define TRUNK_LINGER_MS 250 /* between looks at the channels that linger */

static void trunk_on_pump(void *arg);
static void trunk_tell_broken(void *arg);
static void trunk_on_linger(void *arg);

enum err trunk_init(struct trunk *t, struct loop *loop, struct pool *pool,
	enum ws_role role)
{
	*t = (struct trunk){ .loop = loop };
	outbox_init(&t->outbox, pool, role);
	list_init(&t->channels);
	list_init(&t->light);
	list_init(&t->bulk);
	list_init(&t->lingering);
	loop_deferred_init(&t->pump, trunk_on_pump, t);
	loop_deferred_init(&t->broken, trunk_tell_broken, t);
	return loop_timer_open(loop, trunk_on_linger, t, &t->linger);
}

void trunk_fini(struct trunk *t)
{
	loop_undefer(&t->pump);
	loop_undefer(&t->broken);
	loop_timer_close(t->linger);
	outbox_fini(&t->outbox);
}

void trunk_pump_soon(struct trunk *t)
{
	if (!t->is_full && !t->is_broken)
		loop_defer(t->loop, &t->pump);
}

static void trunk_tell_broken(void *arg)
{
	struct trunk *t = arg;

	t->on_broken(t->arg, t->broken_rc);
}

void trunk_break(struct trunk *t, enum err rc)
{
	if (t->is_broken)
		return;
	t->is_broken = true;
	t->broken_rc = rc;
	loop_defer(t->loop, &t->broken);
}

void trunk_note_use(struct trunk *t, bool is_sent)
{
	if (!keepalive_wants_use(&t->keepalive))
		return;
	keepalive_on_use(&t->keepalive, is_sent, clock_now_ms());
	t->on_use(t->arg);
}

bool trunk_has_room(const struct trunk *t, const struct channel *ch)
{
	size_t limit = TRUNK_FULL_BYTES;

	if (t->is_broken)
		return false;
	if (t->turn == ch)
		return t->outbox.queued_bytes < limit;
	if (!ch->is_bulk)
		limit += TRUNK_LIGHT_BYTES;
	else if (!list_is_empty(&t->light) || !list_is_empty(&t->bulk))
		return false; /* others wait: queue up behind them */
	return t->outbox.queued_bytes < limit;
}

void trunk_want_turn(struct trunk *t, struct channel *ch, bool is_bulk)
{
	list_remove(&ch->in_turn);
	list_add(is_bulk ? &t->bulk : &t->light, &ch->in_turn);
	trunk_pump_soon(t);
}

/* Whose turn is next, taken off its list; NULL if nobody waits. */
static struct channel *trunk_next(struct trunk *t)
{
	bool is_light = !list_is_empty(&t->light) &&
		(t->light_run < TRUNK_LIGHT_RUN || list_is_empty(&t->bulk));
	struct list *from = is_light ? &t->light : &t->bulk;
	struct channel *ch = list_first(from, struct channel, in_turn);

	if (ch == NULL)
		return NULL;
	t->light_run = is_light ? t->light_run + 1 : 0;
	list_remove(&ch->in_turn);
	return ch;
}

/* Lets channels fill the outbox as far as one flush can use. */
static void trunk_give_turns(struct trunk *t)
{
	struct channel *ch;

	while (t->outbox.queued_bytes < TRUNK_FULL_BYTES && ssh_can_send(t->ssh) &&
		!t->is_broken && (ch = trunk_next(t)) != NULL) {
		t->turn = ch;
		channel_on_turn(ch);
		t->turn = NULL;
	}
}

static bool trunk_has_waiters(const struct trunk *t)
{
	return ssh_can_send(t->ssh) &&
		(!list_is_empty(&t->light) || !list_is_empty(&t->bulk));
}

static void trunk_ask_stream(struct trunk *t, bool wants_write)
{
	if (wants_write == t->wants_write)
		return;
	t->wants_write = wants_write;
	stream_want(t->stream, LOOP_READ | (wants_write ? LOOP_WRITE : 0));
}

static void trunk_on_pump(void *arg)
{
	struct trunk *t = arg;
	size_t sent = 0, before;
	enum err rc = ERR_OK;

	while (!t->is_broken && sent < TRUNK_BUDGET_BYTES) {
		trunk_give_turns(t);
		before = t->outbox.queued_bytes;
		if (before == 0)
			break;
		rc = outbox_flush(&t->outbox, t->stream);
		sent += before - t->outbox.queued_bytes;
		if (rc != ERR_OK)
			break;
	}
	if (t->is_broken)
		return;
	if (rc != ERR_OK && rc != ERR_AGAIN) {
		trunk_break(t, rc);
		return;
	}
	t->is_full = rc == ERR_AGAIN;
	trunk_ask_stream(t, t->is_full || trunk_has_waiters(t));
}

void trunk_on_writable(struct trunk *t)
{
	t->is_full = false;
	trunk_on_pump(t);
}

static void trunk_on_linger(void *arg)
{
	struct trunk *t = arg;
	uint64_t now = clock_now_ms();
	struct list *it, *next;

	list_each(it, next, &t->lingering)
		channel_on_tick(list_object(it, struct channel, in_linger), now);
	if (t->linger_count > 0)
		loop_timer_set(t->linger, TRUNK_LINGER_MS);
}

void trunk_linger(struct trunk *t, struct channel *ch)
{
	list_add(&t->lingering, &ch->in_linger);
	if (t->linger_count++ == 0)
		loop_timer_set(t->linger, TRUNK_LINGER_MS);
}

/* The window was 0 meanwhile, so nobody who asked for a turn was queued for one. */
void trunk_on_rekeyed(struct trunk *t)
{
	struct list *it, *next;

	list_each(it, next, &t->channels)
		channel_on_window(list_object(it, struct channel, in_trunk));
}
