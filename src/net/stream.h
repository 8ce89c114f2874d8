/*
 * A stream is a two-way byte channel with back-pressure and half-close: a socket, TLS
 * over a stream, an SSH channel. Its user does not depend on the kind.
 *
 * No call blocks: a call that cannot continue now returns ERR_AGAIN. If the owner has
 * called stream_want(), on_ready is called when it can continue. on_ready is never called
 * from inside a call of the owner into the same stream.
 */
#ifndef NET_STREAM_H
#define NET_STREAM_H

#include <stdbool.h>
#include <sys/uio.h>

#include "base/err.h"
#include "base/span.h"
#include "loop/loop.h"

struct stream;

/* @ready: a part of the wanted directions. The owner may close the stream in it. */
typedef void stream_ready_fn(void *arg, unsigned ready);

/* The state of the path, from the transport at the bottom of a stream. */
struct stream_path {
	bool is_waiting;                  /* bytes are sent and not acknowledged */
	uint32_t quiet_ms;                /* since the last acknowledgement of any data */
	uint64_t acked_bytes;             /* in all */
	uint32_t rtt_ms, rtt_variance_ms; /* of recent round trips */
};

struct stream_ops {
	const char *name;

	/*
	 * Reads at least one byte into @to. @got is set on ERR_OK only.
	 * ERR_EOF: the peer has finished; stays so.  ERR_CLOSED: it has, and takes
	 * nothing more either.  Any other error: the stream is broken.
	 */
	enum err (*read)(struct stream *s, void *to, size_t room, size_t *got);

	/*
	 * Writes some of @iov, at least one byte. @put is set on ERR_OK only.
	 * ERR_CLOSED: the peer takes nothing more, in order; there may be bytes to read.
	 * Any other error but ERR_AGAIN: the stream is broken.
	 */
	enum err (*write)(struct stream *s, const struct iovec *iov, int count,
		size_t *put);

	/*
	 * We write no more: half-close, after all that was written. ERR_AGAIN: want
	 * LOOP_WRITE and call again. Twice is fine.
	 */
	enum err (*finish)(struct stream *s);

	/*
	 * What on_ready is called for from now on. Level triggered. LOOP_HANGUP, alone:
	 * only for the peer's breaking off; it is then good for closing. Streams that
	 * cannot tell ignore it.
	 */
	void (*want)(struct stream *s, unsigned wants);

	/* Gives the stream up: on_ready is not called again. With @is_abort the peer
	 * learns that something went wrong (a reset), else that all was sent. Frees the
	 * stream. */
	void (*close)(struct stream *s, bool is_abort);

	/* The four below save a copy, and may be missing (NULL). */

	/* Lends what has arrived; consume() takes its first @n bytes.
	 * Errors as read(). */
	enum err (*peek)(struct stream *s, struct span *out);
	void (*consume)(struct stream *s, size_t n);

	/* Lends room to write into; commit() sends the first @n bytes, 0 gives it back.
	 * Errors as write(). Nothing else may be called on @s in between. */
	enum err (*reserve)(struct stream *s, struct mspan *out);
	enum err (*commit)(struct stream *s, size_t n);

	/* The two below move a stream to another worker, and may be missing (NULL). */

	/*
	 * Removes it from its loop: it wants nothing and on_ready is not called. Only
	 * enter() or close() may follow, on any thread. The owner may do this in
	 * on_ready, too. ERR_USAGE: it cannot move, and does not change.
	 */
	enum err (*leave)(struct stream *s);

	/* Adds it to @loop, where it wants nothing yet. On failure it may only be
	 * closed. */
	enum err (*enter)(struct stream *s, struct loop *loop);

	/* The two below are for the stream at the bottom, and may be missing (NULL). */

	/* The state of its path. False: there is none, or it is unknown. */
	bool (*path)(const struct stream *s, struct stream_path *out);

	/*
	 * Tells the stream that its owner writes many small records, in events of other
	 * streams: they may be held until the end of the turn. Returns how many bytes fit
	 * into one record of this stream; 0: it has no records.
	 */
	size_t (*expect_records)(struct stream *s);
};

/* The part that every kind embeds first. */
struct stream {
	const struct stream_ops *ops;
	stream_ready_fn *on_ready;
	void *arg;            /* borrowed: the owner's, given to on_ready */
	struct stream *below; /* of a filter: owned; else NULL */
	int fd;               /* of a bare socket, which may be spliced; else -1 */
};

/* Sets on_ready. A new owner calls this first. */
static inline void stream_set_owner(struct stream *s, stream_ready_fn *fn, void *arg)
{
	s->on_ready = fn;
	s->arg = arg;
}

static inline enum err stream_read(struct stream *s, void *to, size_t room, size_t *got)
{
	return s->ops->read(s, to, room, got);
}

static inline enum err stream_write(struct stream *s, const struct iovec *iov, int count,
	size_t *put)
{
	return s->ops->write(s, iov, count, put);
}

/* One piece of stream_write(). */
enum err stream_put(struct stream *s, const void *p, size_t n, size_t *put) MUST_USE;

static inline enum err stream_finish(struct stream *s)
{
	return s->ops->finish(s);
}

static inline void stream_want(struct stream *s, unsigned wants)
{
	s->ops->want(s, wants);
}

/* ERR_USAGE: @s stays on its loop all its life. */
static inline enum err stream_leave(struct stream *s)
{
	return s->ops->leave != NULL ? s->ops->leave(s) : ERR_USAGE;
}

static inline enum err stream_enter(struct stream *s, struct loop *loop)
{
	return s->ops->enter(s, loop);
}

/* The three below are about the stream at the bottom, through all filters. */

/* The descriptor of the socket, for its options and addresses; -1: there is none. */
int stream_socket(const struct stream *s);
bool stream_path(const struct stream *s, struct stream_path *out);
size_t stream_expect_records(struct stream *s);

/* ---- for filters ---- */

/* Fills in the rest of a filter's @s, and takes @below. */
void stream_filter_init(struct stream *s, const struct stream_ops *ops,
	struct stream *below);

/* The finish() of a filter that has nothing to add. */
enum err stream_filter_finish(struct stream *s) MUST_USE;

/* NULL is fine. */
static inline void stream_close(struct stream *s)
{
	if (s != NULL)
		s->ops->close(s, false);
}

static inline void stream_abort(struct stream *s)
{
	if (s != NULL)
		s->ops->close(s, true);
}

#endif
