/* A fake stream for tests: trickles, blocks, lends, ends and breaks as it is told. */
#ifndef NET_FAKE_TEST_H
#define NET_FAKE_TEST_H

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/stream.h"

struct fake {
	struct stream stream;
	struct loop *loop;
	struct loop_deferred tick;
	unsigned wants;

	/* What it gives. */
	struct span in;
	size_t in_step;        /* bytes for each read; 0: all there are */
	enum err in_end;       /* what comes after the last byte; ERR_AGAIN: silence */
	bool waits_for_finish; /* gives nothing before the other side has finished */

	/* What it takes. */
	uint8_t *out;
	size_t out_n, out_cap;
	size_t out_step;  /* bytes for each write; 0: all there are */
	bool is_stuck;    /* takes nothing */
	bool is_blocking; /* each second call says ERR_AGAIN */

	unsigned calls, fails_at; /* the call that breaks; 0: none */
	bool reads_again, writes_again;
	unsigned commits, ticks;
	bool is_finished, is_closed, is_aborted;
	uint8_t room[512];
};

static inline struct fake *fake_of(struct stream *s)
{
	return mem_container(s, struct fake, stream);
}

/* True: this call is the one that breaks. */
static inline bool fake_breaks(struct fake *f)
{
	f->calls++;
	return f->fails_at != 0 && f->calls >= f->fails_at;
}

static inline enum err fake_peek(struct stream *s, struct span *out)
{
	struct fake *f = fake_of(s);

	if (fake_breaks(f))
		return ERR_SYS;
	if (f->waits_for_finish && !f->is_finished)
		return ERR_AGAIN;
	if (f->is_blocking && (f->reads_again = !f->reads_again))
		return ERR_AGAIN;
	if (f->in.n == 0)
		return f->in_end;
	*out = f->in;
	if (f->in_step != 0 && out->n > f->in_step)
		out->n = f->in_step;
	return ERR_OK;
}

static inline void fake_consume(struct stream *s, size_t n)
{
	struct fake *f = fake_of(s);

	f->in.p += n;
	f->in.n -= n;
}

static inline enum err fake_read(struct stream *s, void *to, size_t room, size_t *got)
{
	struct span lent = { 0 };
	enum err rc = fake_peek(s, &lent);

	if (rc != ERR_OK)
		return rc;
	*got = lent.n < room ? lent.n : room;
	memcpy(to, lent.p, *got);
	fake_consume(s, *got);
	return ERR_OK;
}

static inline enum err fake_may_take(struct fake *f)
{
	if (fake_breaks(f))
		return ERR_SYS;
	if (f->is_stuck || (f->is_blocking && (f->writes_again = !f->writes_again)))
		return ERR_AGAIN;
	return ERR_OK;
}

static inline void fake_take(struct fake *f, const void *p, size_t n)
{
	if (n == 0)
		return;
	if (f->out_n + n > f->out_cap) {
		f->out_cap = 2 * (f->out_n + n);
		f->out = realloc(f->out, f->out_cap);
	}
	memcpy(f->out + f->out_n, p, n);
	f->out_n += n;
}

static inline enum err fake_write(struct stream *s, const struct iovec *iov, int count,
	size_t *put)
{
	struct fake *f = fake_of(s);
	size_t n = iov[0].iov_len;
	enum err rc = fake_may_take(f);

	(void)count;
	if (rc != ERR_OK)
		return rc;
	if (f->out_step != 0 && n > f->out_step)
		n = f->out_step;
	fake_take(f, iov[0].iov_base, n);
	*put = n;
	return ERR_OK;
}

static inline enum err fake_reserve(struct stream *s, struct mspan *out)
{
	struct fake *f = fake_of(s);
	enum err rc = fake_may_take(f);

	if (rc == ERR_OK)
		*out = (struct mspan){ .p = f->room,
			.n = f->out_step != 0 ? f->out_step : sizeof(f->room) };
	return rc;
}

static inline enum err fake_commit(struct stream *s, size_t n)
{
	struct fake *f = fake_of(s);

	if (fake_breaks(f))
		return ERR_SYS;
	f->commits += n > 0;
	fake_take(f, f->room, n);
	return ERR_OK;
}

static inline enum err fake_finish(struct stream *s)
{
	enum err rc = fake_may_take(fake_of(s));

	if (rc == ERR_OK)
		fake_of(s)->is_finished = true;
	return rc;
}

static inline unsigned fake_ready(const struct fake *f)
{
	unsigned ready = f->is_stuck && f->fails_at == 0 ? 0 : LOOP_WRITE;

	if ((f->in.n > 0 || f->in_end != ERR_AGAIN) &&
		(!f->waits_for_finish || f->is_finished))
		ready |= LOOP_READ;
	return ready & f->wants;
}

static inline void fake_want(struct stream *s, unsigned wants)
{
	struct fake *f = fake_of(s);

	f->wants = wants;
	if (fake_ready(f) != 0)
		loop_defer(f->loop, &f->tick);
}

static inline void fake_on_tick(void *arg)
{
	struct fake *f = arg;
	unsigned ready = fake_ready(f);

	f->ticks++;
	if (ready != 0)
		f->stream.on_ready(f->stream.arg, ready);
	if (!f->is_closed && fake_ready(f) != 0)
		loop_defer(f->loop, &f->tick);
}

static inline void fake_close(struct stream *s, bool is_abort)
{
	struct fake *f = fake_of(s);

	loop_undefer(&f->tick);
	f->is_closed = true;
	f->is_aborted = is_abort;
}

enum { FAKE_LENDS_BYTES = 1, FAKE_LENDS_ROOM = 2 };

static inline void fake_init(struct fake *f, struct loop *loop, unsigned lends)
{
	static const struct stream_ops ops[] = {
		{ .name = "fake",
			.read = fake_read,
			.write = fake_write,
			.finish = fake_finish,
			.want = fake_want,
			.close = fake_close },
		{ .name = "peeked",
			.read = fake_read,
			.write = fake_write,
			.finish = fake_finish,
			.want = fake_want,
			.close = fake_close,
			.peek = fake_peek,
			.consume = fake_consume },
		{ .name = "reserved",
			.read = fake_read,
			.write = fake_write,
			.finish = fake_finish,
			.want = fake_want,
			.close = fake_close,
			.reserve = fake_reserve,
			.commit = fake_commit },
		{ .name = "both",
			.read = fake_read,
			.write = fake_write,
			.finish = fake_finish,
			.want = fake_want,
			.close = fake_close,
			.peek = fake_peek,
			.consume = fake_consume,
			.reserve = fake_reserve,
			.commit = fake_commit },
	};

	*f = (struct fake){ .stream = { .ops = &ops[lends], .fd = -1 },
		.loop = loop,
		.in_end = ERR_EOF };
	loop_deferred_init(&f->tick, fake_on_tick, f);
}

static inline void fake_fini(struct fake *f)
{
	loop_undefer(&f->tick);
	free(f->out);
}

#endif
