/*
 * Throttles.
 *
 * A bucket fills with time. While no stream waits, a stream takes the tokens that there
 * are. Once one waits, all others wait too, in a queue, and a timer gives turns: a turn
 * lends the first in the queue a share of the bucket while its callback runs.
 */
#include "net/throttle.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/list.h"

#define THROTTLE_RATE_MAX UINT64_C(1000000000000) /* so that no product overflows */
#define THROTTLE_TURN_MAX ((uint64_t)64 * 1024)
#define THROTTLE_TURNS_MAX 256 /* in a row; then the loop goes on */
#define THROTTLE_WAIT_MS 50    /* the longest pause between turns */

struct throttle;

struct throttle_bucket {
	unsigned refs;
	uint64_t rate, tokens; /* bytes */
	uint64_t filled_us;    /* when it was filled last */
	struct loop_timer *timer;
	struct list waiting;   /* of throttles: the next is first */
	struct throttle *turn; /* borrowed: the throttle with the turn, or NULL */
	uint64_t turn_bytes;   /* left of the turn */
};

struct throttle {
	struct stream stream;           /* first */
	struct throttle_bucket *bucket; /* a reference */
	struct list in_bucket;
	unsigned wants;   /* the owner's */
	unsigned starved; /* the directions that wait for a turn */
	void (*on_moved)(void *arg, bool is_read, size_t n);
	void *arg; /* borrowed: the opener's */
};

static struct throttle *throttle_of(struct stream *s)
{
	return mem_container(s, struct throttle, stream);
}

/* ---- the bucket ---- */

static void bucket_fill(struct throttle_bucket *b)
{
	uint64_t now = clock_now_us(), gone = now - b->filled_us, gained;

	if (gone >= 1000000) {
		b->tokens = b->rate;
		b->filled_us = now;
		return;
	}
	gained = gone * b->rate / 1000000;
	if (gained == 0)
		return;
	b->filled_us += gained * 1000000 / b->rate; /* what was no whole byte stays */
	b->tokens = gained < b->rate - b->tokens ? b->tokens + gained : b->rate;
}

static uint64_t bucket_turn_bytes(const struct throttle_bucket *b)
{
	uint64_t n = b->rate / 10;

	if (n > THROTTLE_TURN_MAX)
		n = THROTTLE_TURN_MAX;
	return n > 0 ? n : 1;
}

/* Sets the timer for the next turn, if a throttle waits. */
static void bucket_plan(struct throttle_bucket *b)
{
	uint64_t wanted = bucket_turn_bytes(b), ms;

	if (list_is_empty(&b->waiting)) {
		loop_timer_stop(b->timer);
		return;
	}
	if (b->rate != 0)
		bucket_fill(b); /* it may be long ago */
	if (b->rate == 0 || b->tokens >= wanted) {
		loop_timer_set(b->timer, 1);
		return;
	}
	ms = ((wanted - b->tokens) * 1000 + b->rate - 1) / b->rate;
	loop_timer_set(b->timer, ms < THROTTLE_WAIT_MS ? ms : THROTTLE_WAIT_MS);
}

static void throttle_settle(struct throttle *t)
{
	if ((t->wants & t->starved) == 0) {
		list_remove(&t->in_bucket);
	} else if (list_is_empty(&t->in_bucket)) {
		list_add(&t->bucket->waiting, &t->in_bucket);
		if (!loop_timer_is_set(t->bucket->timer))
			bucket_plan(t->bucket);
	}
	stream_want(t->stream.below, t->wants & ~t->starved);
}

/* Unused tokens go back. @t may be closed when this returns. */
static void bucket_give_turn(struct throttle_bucket *b, struct throttle *t)
{
	uint64_t most = bucket_turn_bytes(b);
	unsigned ready = t->starved & t->wants;

	list_remove(&t->in_bucket);
	t->starved = 0;
	b->turn = t;
	b->turn_bytes = b->tokens < most ? b->tokens : most;
	b->tokens -= b->turn_bytes;
	t->stream.on_ready(t->stream.arg, ready);
	b->tokens += b->turn_bytes;
	if (b->tokens > b->rate)
		b->tokens = b->rate; /* which may have been lowered in the turn */
	b->turn_bytes = 0;
	if (b->turn != NULL)
		throttle_settle(b->turn);
	b->turn = NULL;
}

static void bucket_on_timer(void *arg)
{
	struct throttle_bucket *b = throttle_bucket_ref(arg);
	struct throttle *t;
	unsigned turns = 0;

	if (b->rate != 0)
		bucket_fill(b);
	while ((b->rate == 0 || b->tokens > 0) && turns++ < THROTTLE_TURNS_MAX &&
		(t = list_first(&b->waiting, struct throttle, in_bucket)) != NULL)
		bucket_give_turn(b, t);
	bucket_plan(b);
	throttle_bucket_unref(b);
}

enum err throttle_bucket_new(struct loop *loop, uint64_t bytes_per_s,
	struct throttle_bucket **out)
{
	struct throttle_bucket *b = mem_new(b);
	enum err rc;

	if (b == NULL)
		return ERR_NOMEM;
	b->refs = 1;
	list_init(&b->waiting);
	rc = loop_timer_open(loop, bucket_on_timer, b, &b->timer);
	if (rc != ERR_OK) {
		free(b);
		return rc;
	}
	throttle_bucket_set_rate(b, bytes_per_s);
	*out = b;
	return ERR_OK;
}

struct throttle_bucket *throttle_bucket_ref(struct throttle_bucket *b)
{
	b->refs++;
	return b;
}

void throttle_bucket_unref(struct throttle_bucket *b)
{
	if (b == NULL || --b->refs > 0)
		return;
	loop_timer_close(b->timer);
	free(b);
}

void throttle_bucket_set_rate(struct throttle_bucket *b, uint64_t bytes_per_s)
{
	uint64_t old = b->rate;

	if (bytes_per_s > THROTTLE_RATE_MAX)
		bytes_per_s = THROTTLE_RATE_MAX;
	if (old != 0)
		bucket_fill(b);
	b->rate = bytes_per_s;
	if (old == 0) {
		b->tokens = bytes_per_s;
		b->filled_us = clock_now_us();
	} else if (b->tokens > bytes_per_s) {
		b->tokens = bytes_per_s;
	}
	bucket_plan(b);
}

/* ---- the stream ---- */

/* How many bytes may pass now; 0: @direction has to wait for a turn. */
static size_t throttle_allows(struct throttle *t, unsigned direction)
{
	struct throttle_bucket *b = t->bucket;
	uint64_t n = 0;

	if (b->rate == 0)
		return SIZE_MAX;
	if (b->turn == t) {
		n = b->turn_bytes;
	} else if (list_is_empty(&b->waiting)) {
		bucket_fill(b);
		n = b->tokens;
	}
	if (n == 0) {
		t->starved |= direction;
		throttle_settle(t);
	}
	return n;
}

static void throttle_spend(struct throttle *t, unsigned direction, size_t n)
{
	struct throttle_bucket *b = t->bucket;
	uint64_t *from = b->turn == t ? &b->turn_bytes : &b->tokens;

	if (b->rate != 0)
		*from -= n < *from ? n : *from;
	if (n > 0 && t->on_moved != NULL)
		t->on_moved(t->arg, direction == LOOP_READ, n);
}

static enum err throttle_read(struct stream *s, void *to, size_t room, size_t *got)
{
	struct throttle *t = throttle_of(s);
	size_t most = throttle_allows(t, LOOP_READ);
	enum err rc;

	if (most == 0)
		return ERR_AGAIN;
	rc = stream_read(t->stream.below, to, room < most ? room : most, got);
	if (rc == ERR_OK)
		throttle_spend(t, LOOP_READ, *got);
	return rc;
}

static enum err throttle_write(struct stream *s, const struct iovec *iov, int count,
	size_t *put)
{
	struct throttle *t = throttle_of(s);
	size_t most = throttle_allows(t, LOOP_WRITE), all = 0;
	struct iovec first;
	enum err rc;

	if (most == 0)
		return ERR_AGAIN;
	for (int i = 0; i < count; i++)
		all += iov[i].iov_len;
	if (all > most) {
		first = iov[0];
		if (first.iov_len > most)
			first.iov_len = most;
		rc = stream_write(t->stream.below, &first, 1, put);
	} else {
		rc = stream_write(t->stream.below, iov, count, put);
	}
	if (rc == ERR_OK)
		throttle_spend(t, LOOP_WRITE, *put);
	return rc;
}

static void throttle_want(struct stream *s, unsigned wants)
{
	struct throttle *t = throttle_of(s);

	t->wants = wants;
	if (t->bucket->rate == 0)
		t->starved = 0;
	throttle_settle(t);
}

static void throttle_close(struct stream *s, bool is_abort)
{
	struct throttle *t = throttle_of(s);

	list_remove(&t->in_bucket);
	if (t->bucket->turn == t)
		t->bucket->turn = NULL;
	t->stream.below->ops->close(t->stream.below, is_abort);
	throttle_bucket_unref(t->bucket);
	free(t);
}

static enum err throttle_peek(struct stream *s, struct span *out)
{
	struct throttle *t = throttle_of(s);
	size_t most = throttle_allows(t, LOOP_READ);
	enum err rc;

	if (most == 0)
		return ERR_AGAIN;
	rc = t->stream.below->ops->peek(t->stream.below, out);
	if (rc == ERR_OK && out->n > most)
		out->n = most;
	return rc;
}

static void throttle_consume(struct stream *s, size_t n)
{
	struct throttle *t = throttle_of(s);

	throttle_spend(t, LOOP_READ, n);
	t->stream.below->ops->consume(t->stream.below, n);
}

static enum err throttle_reserve(struct stream *s, struct mspan *out)
{
	struct throttle *t = throttle_of(s);
	size_t most = throttle_allows(t, LOOP_WRITE);
	enum err rc;

	if (most == 0)
		return ERR_AGAIN;
	rc = t->stream.below->ops->reserve(t->stream.below, out);
	if (rc == ERR_OK && out->n > most)
		out->n = most;
	return rc;
}

static enum err throttle_commit(struct stream *s, size_t n)
{
	struct throttle *t = throttle_of(s);

	throttle_spend(t, LOOP_WRITE, n);
	return t->stream.below->ops->commit(t->stream.below, n);
}

#define THROTTLE_OPS \
	.name = "throttle", .read = throttle_read, .write = throttle_write, \
	.finish = stream_filter_finish, .want = throttle_want, .close = throttle_close

/* It lends what the stream below can lend. */
static const struct stream_ops *throttle_choose_ops(const struct stream *below)
{
	static const struct stream_ops plain = { THROTTLE_OPS };
	static const struct stream_ops peeked = { THROTTLE_OPS, .peek = throttle_peek,
		.consume = throttle_consume };
	static const struct stream_ops reserved = { THROTTLE_OPS,
		.reserve = throttle_reserve, .commit = throttle_commit };
	static const struct stream_ops both = { THROTTLE_OPS, .peek = throttle_peek,
		.consume = throttle_consume, .reserve = throttle_reserve,
		.commit = throttle_commit };

	if (below->ops->peek != NULL)
		return below->ops->reserve != NULL ? &both : &peeked;
	return below->ops->reserve != NULL ? &reserved : &plain;
}

enum err throttle_open(const struct throttle_options *o, struct stream **out)
{
	struct throttle *t = mem_new(t);

	if (t == NULL)
		return ERR_NOMEM;
	stream_filter_init(&t->stream, throttle_choose_ops(o->below), o->below);
	t->bucket = throttle_bucket_ref(o->bucket);
	list_init(&t->in_bucket);
	t->on_moved = o->on_moved;
	t->arg = o->arg;
	*out = &t->stream;
	return ERR_OK;
}
