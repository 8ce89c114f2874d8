/*
 * For tests: two streams joined in memory, each taking what the other gives. The pair
 * belongs to the test and outlives both ends.
 */
#ifndef NET_PIPE_TEST_H
#define NET_PIPE_TEST_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"
#include "net/stream.h"

#define PIPE_ROOM (64u << 20)

struct pipe_end {
	struct stream stream;
	struct loop *loop;
	struct pipe_end *peer;
	struct loop_deferred tick;
	struct buf in; /* what the peer wrote and we have not read */
	size_t room;   /* of it */
	size_t step;   /* bytes for each read; 0: all */
	unsigned wants;
	bool is_finished; /* our peer sees the end after the last byte */
	bool is_closed, is_aborted;
	bool is_lost; /* written bytes are lost, without an error */
	uint64_t written;
};

struct pipe_pair {
	struct pipe_end a, b;
};

static inline struct pipe_end *pipe_end_of(struct stream *s)
{
	return mem_container(s, struct pipe_end, stream);
}

static inline bool pipe_has_ended(const struct pipe_end *e)
{
	return e->peer->is_finished || e->peer->is_closed;
}

static inline unsigned pipe_ready(const struct pipe_end *e)
{
	unsigned ready = 0;

	if (e->in.n > 0 || pipe_has_ended(e))
		ready |= LOOP_READ;
	if (e->is_lost || e->peer->is_closed || e->peer->in.n < e->peer->room)
		ready |= LOOP_WRITE;
	return ready & e->wants;
}

static inline void pipe_check(struct pipe_end *e)
{
	if (!e->is_closed && pipe_ready(e) != 0)
		loop_defer(e->loop, &e->tick);
}

static inline void pipe_on_tick(void *arg)
{
	struct pipe_end *e = arg;
	unsigned ready = pipe_ready(e);

	if (ready != 0)
		e->stream.on_ready(e->stream.arg, ready);
	pipe_check(e);
}

static inline enum err pipe_read(struct stream *s, void *to, size_t room, size_t *got)
{
	struct pipe_end *e = pipe_end_of(s);
	size_t n = e->in.n < room ? e->in.n : room;

	if (e->step != 0 && n > e->step)
		n = e->step;
	if (n == 0)
		return pipe_has_ended(e) ? (e->peer->is_aborted ? ERR_RESET : ERR_EOF) :
					   ERR_AGAIN;
	memcpy(to, buf_span(&e->in).p, n);
	buf_consume(&e->in, n);
	*got = n;
	pipe_check(e->peer);
	return ERR_OK;
}

static inline enum err pipe_write(struct stream *s, const struct iovec *iov, int count,
	size_t *put)
{
	struct pipe_end *e = pipe_end_of(s);
	size_t done = 0;

	if (e->peer->is_closed)
		return ERR_RESET;
	for (int i = 0; i < count; i++) {
		size_t n = iov[i].iov_len;

		if (!e->is_lost && n > e->peer->room - e->peer->in.n)
			n = e->peer->room - e->peer->in.n;
		if (!e->is_lost && n > 0 &&
			buf_put(&e->peer->in, iov[i].iov_base, n) != ERR_OK)
			return ERR_NOMEM;
		done += n;
		if (n < iov[i].iov_len)
			break;
	}
	if (done == 0)
		return ERR_AGAIN;
	e->written += done;
	*put = done;
	pipe_check(e->peer);
	return ERR_OK;
}

static inline enum err pipe_finish(struct stream *s)
{
	struct pipe_end *e = pipe_end_of(s);

	e->is_finished = true;
	pipe_check(e->peer);
	return ERR_OK;
}

static inline void pipe_want(struct stream *s, unsigned wants)
{
	struct pipe_end *e = pipe_end_of(s);

	e->wants = wants;
	pipe_check(e);
}

static inline void pipe_close(struct stream *s, bool is_abort)
{
	struct pipe_end *e = pipe_end_of(s);

	loop_undefer(&e->tick);
	e->is_closed = true;
	e->is_aborted = is_abort;
	pipe_check(e->peer);
}

static inline void pipe_end_init(struct pipe_end *e, struct pipe_end *peer,
	struct loop *loop)
{
	static const struct stream_ops ops = {
		.name = "pipe",
		.read = pipe_read,
		.write = pipe_write,
		.finish = pipe_finish,
		.want = pipe_want,
		.close = pipe_close,
	};

	*e = (struct pipe_end){
		.stream = { .ops = &ops, .fd = -1 },
		.loop = loop,
		.peer = peer,
		.room = PIPE_ROOM,
	};
	buf_init(&e->in, PIPE_ROOM);
	loop_deferred_init(&e->tick, pipe_on_tick, e);
}

static inline void pipe_pair_init(struct pipe_pair *p, struct loop *loop)
{
	pipe_end_init(&p->a, &p->b, loop);
	pipe_end_init(&p->b, &p->a, loop);
}

static inline void pipe_pair_fini(struct pipe_pair *p)
{
	loop_undefer(&p->a.tick);
	loop_undefer(&p->b.tick);
	buf_fini(&p->a.in);
	buf_fini(&p->b.in);
}

#endif
