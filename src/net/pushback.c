/* A stream with bytes pushed back in front of it. */
#include "net/pushback.h"

#include <string.h>

struct pushback {
	struct stream stream;
	struct loop *loop;         /* borrowed: outlives us */
	struct loop_deferred wake; /* the bytes are here already */
	unsigned wants : 8;
	unsigned at : 8, n : 8;
	bool is_closed : 1;
	struct loop_deferred gone;
	uint8_t first[PUSHBACK_MAX];
};

static struct pushback *pushback_of(struct stream *s)
{
	return mem_container(s, struct pushback, stream);
}

static void pushback_on_wake(void *arg)
{
	struct pushback *p = arg;

	if (p->at == p->n || (p->wants & LOOP_READ) == 0)
		return;
	p->stream.on_ready(p->stream.arg, LOOP_READ);
	if (!p->is_closed && p->at < p->n && (p->wants & LOOP_READ) != 0)
		loop_defer(p->loop, &p->wake);
}

static void pushback_want(struct stream *s, unsigned wants)
{
	struct pushback *p = pushback_of(s);

	p->wants = wants & (LOOP_READ | LOOP_WRITE);
	if (p->at < p->n && (wants & LOOP_READ) != 0) {
		loop_defer(p->loop, &p->wake);
		wants &= ~(unsigned)LOOP_READ;
	}
	stream_want(p->stream.below, wants);
}

static enum err pushback_read(struct stream *s, void *to, size_t room, size_t *got)
{
	struct pushback *p = pushback_of(s);
	size_t n = p->n - p->at;

	if (n == 0)
		return stream_read(p->stream.below, to, room, got);
	if (n > room)
		n = room;
	memcpy(to, p->first + p->at, n);
	p->at = (p->at + n) & 0xff;
	*got = n;
	if (p->at == p->n)
		stream_want(p->stream.below,
			p->wants); /* from now on it is the one to ask */
	return ERR_OK;
}

static enum err pushback_write(struct stream *s, const struct iovec *iov, int count,
	size_t *put)
{
	return stream_write(s->below, iov, count, put);
}

static void pushback_close(struct stream *s, bool is_abort)
{
	struct pushback *p = pushback_of(s);

	loop_undefer(&p->wake);
	p->stream.below->ops->close(p->stream.below, is_abort);
	p->is_closed = true;
	loop_defer(p->loop, &p->gone);
}

static const struct stream_ops pushback_ops = {
	.name = "pushback",
	.read = pushback_read,
	.write = pushback_write,
	.finish = stream_filter_finish,
	.want = pushback_want,
	.close = pushback_close,
};

enum err pushback_open(struct loop *loop, struct stream *below, struct span first,
	struct stream **out)
{
	struct pushback *p;

	if (first.n > PUSHBACK_MAX)
		return ERR_LIMIT;
	p = mem_new(p);
	if (p == NULL)
		return ERR_NOMEM;
	p->loop = loop;
	stream_filter_init(&p->stream, &pushback_ops, below);
	p->n = first.n & 0xff;
	if (first.n > 0)
		memcpy(p->first, first.p, first.n);
	loop_deferred_init(&p->wake, pushback_on_wake, p);
	loop_deferred_init(&p->gone, free, p);
	*out = &p->stream;
	return ERR_OK;
}
