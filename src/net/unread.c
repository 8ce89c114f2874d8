/* A stream with bytes put back in front. */
#include "net/unread.h"

#include <string.h>

struct unread {
	struct stream stream;
	struct loop *loop;         /* borrowed: outlives us */
	struct loop_deferred wake; /* the bytes are here already */
	unsigned wants : 8;
	unsigned at : 8, n : 8;
	bool is_closed : 1;
	struct loop_deferred gone;
	uint8_t first[UNREAD_MAX];
};

static struct unread *unread_of(struct stream *s)
{
	return mem_container(s, struct unread, stream);
}

static void unread_on_below(void *arg, unsigned ready)
{
	struct unread *u = arg;

	u->stream.on_ready(u->stream.arg, ready);
}

static void unread_on_wake(void *arg)
{
	struct unread *u = arg;

	if (u->at == u->n || (u->wants & LOOP_READ) == 0)
		return;
	u->stream.on_ready(u->stream.arg, LOOP_READ);
	if (!u->is_closed && u->at < u->n && (u->wants & LOOP_READ) != 0)
		loop_defer(u->loop, &u->wake);
}

static void unread_want(struct stream *s, unsigned wants)
{
	struct unread *u = unread_of(s);

	u->wants = wants & (LOOP_READ | LOOP_WRITE);
	if (u->at < u->n && (wants & LOOP_READ) != 0) {
		loop_defer(u->loop, &u->wake);
		wants &= ~(unsigned)LOOP_READ;
	}
	stream_want(u->stream.below, wants);
}

static enum err unread_read(struct stream *s, void *to, size_t room, size_t *got)
{
	struct unread *u = unread_of(s);
	size_t n = u->n - u->at;

	if (n == 0)
		return stream_read(u->stream.below, to, room, got);
	if (n > room)
		n = room;
	memcpy(to, u->first + u->at, n);
	u->at = (u->at + n) & 0xff;
	*got = n;
	if (u->at == u->n)
		stream_want(u->stream.below,
			u->wants); /* from now on it is the one to ask */
	return ERR_OK;
}

static enum err unread_write(struct stream *s, const struct iovec *iov, int count,
	size_t *put)
{
	return stream_write(s->below, iov, count, put);
}

static enum err unread_finish(struct stream *s)
{
	return stream_finish(s->below);
}

static void unread_close(struct stream *s, bool is_abort)
{
	struct unread *u = unread_of(s);

	loop_undefer(&u->wake);
	u->stream.below->ops->close(u->stream.below, is_abort);
	u->is_closed = true;
	loop_defer(u->loop, &u->gone);
}

static const struct stream_ops unread_ops = {
	.name = "unread",
	.read = unread_read,
	.write = unread_write,
	.finish = unread_finish,
	.want = unread_want,
	.close = unread_close,
};

enum err unread_open(struct loop *loop, struct stream *below, struct span first,
	struct stream **out)
{
	struct unread *u;

	if (first.n > UNREAD_MAX)
		return ERR_LIMIT;
	u = mem_new(u);
	if (u == NULL)
		return ERR_NOMEM;
	u->stream.ops = &unread_ops;
	u->stream.fd = -1;
	u->loop = loop;
	u->stream.below = below;
	u->n = first.n & 0xff;
	if (first.n > 0)
		memcpy(u->first, first.p, first.n);
	loop_deferred_init(&u->wake, unread_on_wake, u);
	loop_deferred_init(&u->gone, free, u);
	stream_set_owner(below, unread_on_below, u);
	*out = &u->stream;
	return ERR_OK;
}
