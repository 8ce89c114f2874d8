/*
 * A bridge joins two streams until both directions have ended.
 *
 * It is two flows, one for each direction, and each flow is one state machine: its
 * source's reading and its destination's writing side. A flow never waits for both at
 * once. While the destination is not ready, nothing is read from the source, so that
 * back-pressure reaches its peer. When the destination is ready again, the source is read
 * at once, so that a saturated transfer hardly ever changes what it waits for.
 */
#include "net/bridge.h"

#include <stdlib.h>

#include "net/splice.h"

/* So many full blocks in a row are called bulk, which is worth a pipe. */
#define FLOW_FULL_READS_FOR_BULK 4

/* How bytes get across: the cheapest way that both ends can do. */
enum flow_way {
	WAY_COPY,    /* through a block of the pool */
	WAY_SPLICE,  /* through a pipe: both are bare sockets, and this is bulk */
	WAY_PEEK,    /* the source lends its bytes */
	WAY_RESERVE, /* the destination lends its room */
};

enum flow_state {
	FLOW_READING,   /* the source has nothing for us; we hold nothing */
	FLOW_WRITING,   /* the destination is not ready, or it is not our turn */
	FLOW_FINISHING, /* the source has ended and the destination shall hear of it */
	FLOW_ENDED,
};

struct flow {
	struct bridge *bridge;    /* borrowed: embeds us */
	struct stream *from, *to; /* borrowed: the bridge's */
	uint64_t bytes;
	uint8_t *block;        /* of the pool: only while bytes wait in it */
	struct splice *splice; /* only while this is bulk */
	uint32_t at, n;        /* the bytes that wait in the block */
	enum flow_state state : 8;
	enum flow_way way : 8;
	uint8_t full_reads; /* in a row */
	bool is_unspliceable;
};

enum bridge_state {
	BRIDGE_OPEN,
	BRIDGE_CLOSED, /* both streams are gone; on_closed is due */
};

struct bridge {
	struct loop *loop; /* borrowed: outlives us */
	struct pool *pool; /* borrowed: outlives us */
	void (*on_bytes)(void *arg, bool is_from_a, struct span bytes);
	void (*on_closed)(void *arg, const struct bridge_end *end);
	void *arg; /* borrowed: the owner's */
	struct loop_deferred closed;
	struct flow a_to_b, b_to_a;
	struct loop_timer *half_closed; /* NULL unless only a can still say something */
	uint64_t half_closed_bytes;     /* from a, when the timer was set */
	uint32_t half_closed_ms;
	enum err rc;
	enum bridge_state state : 8;
	bool a_broke;
};

/* ---- one flow ---- */

static void flow_drop_block(struct flow *f)
{
	pool_give(f->bridge->pool, f->block);
	f->block = NULL;
}

static void flow_fini(struct flow *f)
{
	flow_drop_block(f);
	splice_free(f->splice);
	f->splice = NULL;
}

/* Nothing more can come of this flow, and that is in order. */
static void flow_end(struct flow *f)
{
	flow_fini(f);
	f->n = 0;
	f->state = FLOW_ENDED;
}

static struct flow *flow_other(struct flow *f)
{
	struct bridge *b = f->bridge;

	return f == &b->a_to_b ? &b->b_to_a : &b->a_to_b;
}

/* The source had an error, or ended. No bytes wait here then. */
static enum err flow_source_says(struct flow *f, enum err rc)
{
	if (rc == ERR_CLOSED) {
		flow_end(flow_other(f)); /* it takes nothing more either */
		rc = ERR_EOF;
	}
	if (rc == ERR_EOF) {
		f->state = FLOW_FINISHING;
		return ERR_OK;
	}
	if (rc == ERR_AGAIN)
		f->state = FLOW_READING;
	else
		f->bridge->a_broke = f == &f->bridge->a_to_b;
	return rc;
}

static enum err flow_destination_says(struct flow *f, enum err rc)
{
	if (rc == ERR_AGAIN) {
		f->state = FLOW_WRITING;
	} else if (rc == ERR_CLOSED) {
		flow_end(f);
		return ERR_OK;
	} else if (rc != ERR_OK) {
		f->bridge->a_broke = f == &f->bridge->b_to_a;
	}
	return rc;
}

/* Fewer bytes than there was room for: a socket is empty now. Others we have to ask. */
static bool flow_is_drained(const struct flow *f, size_t got, size_t room)
{
	return f->from->fd >= 0 && got < room;
}

/* Source and destination did one move's worth. ERR_OK: there may be more. */
static enum err flow_moved(struct flow *f, bool is_drained)
{
	f->state = FLOW_READING;
	return is_drained ? ERR_AGAIN : ERR_OK;
}

/* ---- ways: each moves once; the state says what to wait for ---- */

static enum err flow_write_block(struct flow *f)
{
	struct bridge *b = f->bridge;
	size_t put;
	enum err rc;

	while (f->n > 0) {
		rc = stream_put(f->to, f->block + f->at, f->n, &put);
		if (rc != ERR_OK)
			return flow_destination_says(f, rc);
		if (b->on_bytes != NULL)
			b->on_bytes(b->arg, f == &b->a_to_b,
				span_of(f->block + f->at, put));
		f->at += (uint32_t)put;
		f->n -= (uint32_t)put;
		f->bytes += put;
	}
	return ERR_OK;
}

static bool flow_can_splice(const struct flow *f)
{
	return f->from->fd >= 0 && f->to->fd >= 0 && !f->is_unspliceable &&
		f->bridge->on_bytes == NULL;
}

static void flow_on_pipe_idle(void *arg)
{
	struct flow *f = arg;

	splice_free(f->splice);
	f->splice = NULL;
	f->way = WAY_COPY;
}

/* Without a pipe the flow goes on copying. */
static void flow_note_bulk(struct flow *f, bool is_full)
{
	f->full_reads = is_full ? f->full_reads + 1 : 0;
	if (f->full_reads < FLOW_FULL_READS_FOR_BULK || !flow_can_splice(f))
		return;
	f->full_reads = 0;
	if (splice_new(f->bridge->loop, f->bridge->pool->block_bytes, flow_on_pipe_idle,
		    f, &f->splice) == ERR_OK)
		f->way = WAY_SPLICE;
}

static enum err flow_copy(struct flow *f)
{
	size_t room = f->bridge->pool->block_bytes, got = 0;
	enum err rc;

	if (f->block == NULL)
		f->block = pool_take(f->bridge->pool);
	if (f->block == NULL)
		return flow_source_says(f, ERR_NOMEM);
	rc = stream_read(f->from, f->block, room, &got);
	if (rc != ERR_OK)
		return flow_source_says(f, rc);
	f->at = 0;
	f->n = (uint32_t)got;
	flow_note_bulk(f, got == room);
	rc = flow_write_block(f);
	if (rc != ERR_OK || f->state == FLOW_ENDED)
		return rc;
	return flow_moved(f, flow_is_drained(f, got, room));
}

/* Splicing does not work for these two: the flow copies from now on. */
static enum err flow_unsplice(struct flow *f)
{
	size_t held = splice_held(f->splice);
	enum err rc = ERR_OK;

	if (held > 0) {
		f->block = pool_take(f->bridge->pool);
		rc = f->block == NULL ? ERR_NOMEM : splice_take_back(f->splice, f->block);
		if (rc != ERR_OK)
			return flow_source_says(f, rc);
		f->at = 0;
		f->n = (uint32_t)held;
	}
	flow_on_pipe_idle(f);
	f->is_unspliceable = true;
	return flow_write_block(f);
}

static enum err flow_drain_pipe(struct flow *f)
{
	size_t put;
	enum err rc;

	while (splice_held(f->splice) > 0) {
		rc = splice_drain(f->splice, f->to->fd, &put);
		if (rc == ERR_USAGE)
			return flow_unsplice(f);
		if (rc != ERR_OK)
			return flow_destination_says(f, rc);
		f->bytes += put;
	}
	return ERR_OK;
}

static enum err flow_splice(struct flow *f)
{
	enum err rc = splice_fill(f->splice, f->from->fd);

	if (rc == ERR_USAGE)
		return flow_unsplice(f);
	if (rc != ERR_OK)
		return flow_source_says(f, rc);
	rc = flow_drain_pipe(f);
	return rc == ERR_OK && f->state != FLOW_ENDED ? flow_moved(f, false) : rc;
}

static enum err flow_peek(struct flow *f)
{
	struct span lent;
	size_t put;
	enum err rc = f->from->ops->peek(f->from, &lent);

	if (rc != ERR_OK)
		return flow_source_says(f, rc);
	rc = stream_put(f->to, lent.p, lent.n, &put);
	if (rc != ERR_OK)
		return flow_destination_says(f, rc);
	f->from->ops->consume(f->from, put);
	f->bytes += put;
	return put < lent.n ? flow_destination_says(f, ERR_AGAIN) : flow_moved(f, false);
}

/* One block, then the end of the queue: other channels use the same connection. */
static enum err flow_reserve(struct flow *f)
{
	struct mspan room;
	size_t got;
	enum err rc = f->to->ops->reserve(f->to, &room), committed;

	if (rc != ERR_OK)
		return flow_destination_says(f, rc);
	rc = stream_read(f->from, room.p, room.n, &got);
	committed = f->to->ops->commit(f->to, rc == ERR_OK ? got : 0);
	if (committed != ERR_OK)
		return flow_destination_says(f, committed);
	if (rc != ERR_OK)
		return flow_source_says(f, rc);
	f->bytes += got;
	if (flow_is_drained(f, got, room.n))
		return flow_moved(f, true);
	return flow_destination_says(f, ERR_AGAIN);
}

static const struct {
	enum err (*move)(struct flow *f);
	int moves_per_turn; /* about 256 KiB, before the others get their turn */
} flow_ways[] = {
	[WAY_COPY] = { flow_copy, 4 },
	[WAY_SPLICE] = { flow_splice, 1 },
	[WAY_PEEK] = { flow_peek, 16 },
	[WAY_RESERVE] = { flow_reserve, 1 },
};

static enum flow_way flow_choose_way(const struct flow *f)
{
	if (f->bridge->on_bytes != NULL)
		return WAY_COPY;
	if (f->from->ops->peek != NULL)
		return WAY_PEEK;
	if (f->to->ops->reserve != NULL)
		return WAY_RESERVE;
	return WAY_COPY;
}

/* ---- the machine ---- */

static enum err flow_step_writing(struct flow *f)
{
	enum err rc = flow_write_block(f);

	if (rc == ERR_OK && f->splice != NULL)
		rc = flow_drain_pipe(f);
	if (rc == ERR_OK && f->state != FLOW_ENDED)
		f->state = FLOW_READING;
	return rc;
}

static enum err flow_step_finishing(struct flow *f)
{
	enum err rc = stream_finish(f->to);

	if (rc == ERR_OK || rc == ERR_CLOSED) {
		f->state = FLOW_ENDED;
		return ERR_OK;
	}
	if (rc != ERR_AGAIN)
		f->bridge->a_broke = f == &f->bridge->b_to_a;
	return rc;
}

/* A step says ERR_OK (go on), ERR_AGAIN, or why it is over. */
static const struct flow_rule {
	unsigned wants_from, wants_to;
	enum err (*step)(struct flow *f);
} flow_rules[] = {
	[FLOW_READING] = { LOOP_READ, 0, NULL }, /* see flow_ways */
	[FLOW_WRITING] = { 0, LOOP_WRITE, flow_step_writing },
	[FLOW_FINISHING] = { 0, LOOP_WRITE, flow_step_finishing },
	[FLOW_ENDED] = { 0, 0, NULL },
};

static enum err flow_rest(struct flow *f, enum err rc)
{
	if (f->n == 0)
		flow_drop_block(f);
	return rc == ERR_AGAIN ? ERR_OK : rc;
}

static enum err flow_run(struct flow *f)
{
	enum err rc = ERR_OK;
	int moves = 0;

	while (rc == ERR_OK && f->state != FLOW_ENDED) {
		if (f->state != FLOW_READING)
			rc = flow_rules[f->state].step(f);
		else if (moves++ < flow_ways[f->way].moves_per_turn)
			rc = flow_ways[f->way].move(f);
		else
			break;
	}
	return flow_rest(f, rc);
}

/* ---- the bridge ---- */

static void bridge_on_gone(void *arg)
{
	struct bridge *b = arg;
	struct bridge_end end = {
		.a_to_b_bytes = b->a_to_b.bytes,
		.b_to_a_bytes = b->b_to_a.bytes,
		.rc = b->rc,
		.a_broke = b->a_broke,
	};

	b->on_closed(b->arg, &end);
	free(b);
}

static void bridge_end(struct bridge *b, enum err rc)
{
	b->state = BRIDGE_CLOSED;
	b->rc = rc;
	loop_timer_close(b->half_closed);
	flow_fini(&b->a_to_b);
	flow_fini(&b->b_to_a);
	b->a_to_b.from->ops->close(b->a_to_b.from, rc != ERR_OK);
	b->a_to_b.to->ops->close(b->a_to_b.to, rc != ERR_OK);
}

/* And tells the owner, at the end of the turn. */
static void bridge_finish(struct bridge *b, enum err rc)
{
	bridge_end(b, rc);
	loop_defer(b->loop, &b->closed);
}

/*
 * A side that has sent its last byte, and gets nothing more, may still reset. A side with
 * bytes that wait here is not watched: they are delivered first.
 */
static unsigned bridge_wants(const struct flow *from_it, const struct flow *to_it)
{
	unsigned wants = flow_rules[from_it->state].wants_from |
		flow_rules[to_it->state].wants_to;

	if (wants == 0 && from_it->state == FLOW_ENDED)
		wants = LOOP_HANGUP;
	return wants;
}

static void bridge_on_half_closed(void *arg)
{
	struct bridge *b = arg;

	b->a_broke = true;
	bridge_finish(b, ERR_TIMEOUT);
}

/* Each byte from a starts its idle limit again. */
static enum err bridge_watch_half(struct bridge *b)
{
	enum err rc = ERR_OK;

	if (b->half_closed_ms == 0 || b->b_to_a.state != FLOW_ENDED)
		return ERR_OK;
	if (b->half_closed != NULL && b->half_closed_bytes == b->a_to_b.bytes)
		return ERR_OK;
	if (b->half_closed == NULL)
		rc = loop_timer_open(b->loop, bridge_on_half_closed, b, &b->half_closed);
	if (rc != ERR_OK)
		return rc;
	b->half_closed_bytes = b->a_to_b.bytes;
	loop_timer_set(b->half_closed, b->half_closed_ms);
	return ERR_OK;
}

/* Calls stream_want() even if nothing has changed: an SSH channel takes it as a request
 * for a turn. */
static void bridge_settle(struct bridge *b, enum err rc)
{
	bool is_over = b->a_to_b.state == FLOW_ENDED && b->b_to_a.state == FLOW_ENDED;

	if (rc == ERR_OK && !is_over)
		rc = bridge_watch_half(b);
	if (rc != ERR_OK || is_over) {
		bridge_finish(b, rc);
	} else {
		stream_want(b->a_to_b.from, bridge_wants(&b->a_to_b, &b->b_to_a));
		stream_want(b->a_to_b.to, bridge_wants(&b->b_to_a, &b->a_to_b));
	}
}

static void bridge_run(struct bridge *b, struct flow *from_it, struct flow *to_it,
	unsigned ready)
{
	enum err rc = ERR_OK;

	if ((ready & LOOP_READ) != 0)
		rc = flow_run(from_it);
	if (rc == ERR_OK && (ready & LOOP_WRITE) != 0)
		rc = flow_run(to_it);
	if (ready == LOOP_HANGUP) {
		b->a_broke = from_it == &b->a_to_b;
		rc = ERR_RESET;
	}
	bridge_settle(b, rc);
}

static void bridge_on_a_ready(void *arg, unsigned ready)
{
	struct bridge *b = arg;

	bridge_run(b, &b->a_to_b, &b->b_to_a, ready);
}

static void bridge_on_b_ready(void *arg, unsigned ready)
{
	struct bridge *b = arg;

	bridge_run(b, &b->b_to_a, &b->a_to_b, ready);
}

static void flow_init(struct flow *f, struct bridge *b, struct stream *from,
	struct stream *to)
{
	f->bridge = b;
	f->from = from;
	f->to = to;
	f->way = flow_choose_way(f);
}

/* The first bytes wait in a block, as if we had read them. */
static enum err flow_put_first(struct flow *f, struct span first)
{
	if (first.n == 0)
		return ERR_OK;
	if (first.n > f->bridge->pool->block_bytes)
		return ERR_LIMIT;
	f->block = pool_take(f->bridge->pool);
	if (f->block == NULL)
		return ERR_NOMEM;
	memcpy(f->block, first.p, first.n);
	f->n = (uint32_t)first.n;
	return ERR_OK;
}

enum err bridge_open(const struct bridge_options *options, struct bridge **out)
{
	struct bridge *b = mem_new(b);
	enum err rc;

	if (b == NULL)
		return ERR_NOMEM;
	b->loop = options->loop;
	b->pool = options->pool;
	b->half_closed_ms = options->half_closed_ms;
	b->on_bytes = options->on_bytes;
	b->on_closed = options->on_closed;
	b->arg = options->arg;
	loop_deferred_init(&b->closed, bridge_on_gone, b);
	flow_init(&b->a_to_b, b, options->a, options->b);
	flow_init(&b->b_to_a, b, options->b, options->a);
	rc = flow_put_first(&b->a_to_b, options->a_first);
	if (rc != ERR_OK) {
		free(b);
		return rc;
	}
	stream_set_owner(options->a, bridge_on_a_ready, b);
	stream_set_owner(options->b, bridge_on_b_ready, b);
	*out = b;
	bridge_settle(b, flow_rest(&b->a_to_b, flow_write_block(&b->a_to_b)));
	return ERR_OK;
}

struct bridge_end bridge_progress(const struct bridge *b)
{
	return (struct bridge_end){
		.a_to_b_bytes = b->a_to_b.bytes,
		.b_to_a_bytes = b->b_to_a.bytes,
	};
}

void bridge_close(struct bridge *bridge)
{
	if (bridge == NULL)
		return;
	if (bridge->state != BRIDGE_CLOSED)
		bridge_end(bridge, ERR_CLOSED);
	loop_undefer(&bridge->closed);
	free(bridge);
}
