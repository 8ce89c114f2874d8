/*
 * A tap: for each connection a bridge, between two streams that look at what is read of
 * the sockets below them.
 */
#include "cli/demo_tap.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/pool.h"
#include "net/bridge.h"
#include "net/dialer.h"
#include "net/listener.h"
#include "net/socket.h"

#define LOCAL "127.0.0.1"
#define TAP_BLOCK_BYTES 65536
#define TAP_DIAL_MS 5000

struct demo_tap {
	struct loop *loop; /* borrowed */
	struct listener *listener;
	struct pool blocks;
	struct list wires;
	const char *host; /* borrowed: where to; NULL: nowhere yet */
	uint16_t port;
	uint8_t word[DEMO_TAP_WORD_MAX];
	size_t word_n; /* 0: none */
	uint64_t bytes;
	unsigned found;
};

/* One end of a connection: a stream over its socket. */
struct tap_end {
	struct stream stream;
	struct stream *below;
	struct demo_tap *tap; /* borrowed: it closes us before it goes */
	/* the last bytes: a word may come in two pieces */
	uint8_t tail[DEMO_TAP_WORD_MAX];
	size_t tail_n;
};

/* A connection. */
struct tap_wire {
	struct list in_tap;
	struct demo_tap *tap; /* borrowed */
	struct dial *dial;
	struct stream *visitor; /* until the bridge has it */
	struct bridge *bridge;
};

/* ---- listening ---- */

static unsigned tap_count(const struct demo_tap *tap, const uint8_t *p, size_t n)
{
	const uint8_t *at;
	unsigned count = 0;

	while (n >= tap->word_n && (at = memmem(p, n, tap->word, tap->word_n)) != NULL) {
		count++;
		n -= (size_t)(at - p) + tap->word_n;
		p = at + tap->word_n;
	}
	return count;
}

/* Across the seam: the last bytes that came before, and the first of these. */
static unsigned tap_count_seam(const struct tap_end *e, const uint8_t *p, size_t n)
{
	uint8_t seam[2 * DEMO_TAP_WORD_MAX];
	size_t take = n < e->tap->word_n - 1 ? n : e->tap->word_n - 1;

	memcpy(seam, e->tail, e->tail_n);
	memcpy(seam + e->tail_n, p, take);
	return tap_count(e->tap, seam, e->tail_n + take);
}

static void tap_keep_tail(struct tap_end *e, const uint8_t *p, size_t n)
{
	size_t keep = e->tap->word_n - 1;

	if (n >= keep) {
		memcpy(e->tail, p + n - keep, keep);
		e->tail_n = keep;
		return;
	}
	if (e->tail_n + n > keep) {
		size_t drop = e->tail_n + n - keep;

		memmove(e->tail, e->tail + drop, e->tail_n - drop);
		e->tail_n -= drop;
	}
	memcpy(e->tail + e->tail_n, p, n);
	e->tail_n += n;
}

static void tap_hear(struct tap_end *e, const uint8_t *p, size_t n)
{
	struct demo_tap *tap = e->tap;

	tap->bytes += n;
	if (tap->word_n == 0)
		return;
	tap->found += tap_count(tap, p, n) + tap_count_seam(e, p, n);
	tap_keep_tail(e, p, n);
}

/* ---- the stream ---- */

static struct tap_end *end_of(struct stream *s)
{
	return mem_container(s, struct tap_end, stream);
}

static enum err end_read(struct stream *s, void *to, size_t room, size_t *got)
{
	enum err rc = stream_read(end_of(s)->below, to, room, got);

	if (rc == ERR_OK)
		tap_hear(end_of(s), to, *got);
	return rc;
}

static enum err end_write(struct stream *s, const struct iovec *iov, int count,
	size_t *put)
{
	return stream_write(end_of(s)->below, iov, count, put);
}

static enum err end_finish(struct stream *s)
{
	return stream_finish(end_of(s)->below);
}

static void end_want(struct stream *s, unsigned wants)
{
	stream_want(end_of(s)->below, wants);
}

static void end_close(struct stream *s, bool is_abort)
{
	struct tap_end *e = end_of(s);

	if (is_abort)
		stream_abort(e->below);
	else
		stream_close(e->below);
	free(e);
}

static const struct stream_ops end_ops = {
	.name = "tap",
	.read = end_read,
	.write = end_write,
	.finish = end_finish,
	.want = end_want,
	.close = end_close,
};

static void end_on_ready(void *arg, unsigned ready)
{
	struct tap_end *e = arg;

	e->stream.on_ready(e->stream.arg, ready);
}

/* Takes @fd if it succeeds. */
static enum err end_open_take(struct demo_tap *tap, int fd, struct stream **out)
{
	struct tap_end *e = mem_new(e);
	enum err rc = ERR_NOMEM;

	if (e != NULL)
		rc = socket_open_take(tap->loop, fd, &e->below);
	if (rc != ERR_OK) {
		free(e);
		return rc;
	}
	e->stream.ops = &end_ops;
	e->stream.fd = -1;
	e->tap = tap;
	stream_set_owner(e->below, end_on_ready, e);
	*out = &e->stream;
	return ERR_OK;
}

/* ---- connections ---- */

static void wire_free(struct tap_wire *w)
{
	list_remove(&w->in_tap);
	dial_close(w->dial);
	stream_abort(w->visitor);
	bridge_close(w->bridge);
	free(w);
}

static void wire_on_closed(void *arg, const struct bridge_end *end)
{
	struct tap_wire *w = arg;

	(void)end;
	w->bridge = NULL;
	wire_free(w);
}

static void wire_on_dialled(void *arg, enum err rc, int fd, int errnum,
	const struct why *why)
{
	struct tap_wire *w = arg;
	struct stream *target = NULL;
	struct bridge_options o = {
		.loop = w->tap->loop,
		.pool = &w->tap->blocks,
		.a = w->visitor,
		.on_closed = wire_on_closed,
		.arg = w,
	};

	(void)errnum;
	(void)why;
	w->dial = NULL;
	if (rc == ERR_OK) {
		rc = end_open_take(w->tap, fd, &target);
		if (rc != ERR_OK)
			close(fd);
	}
	o.b = target;
	if (rc == ERR_OK)
		rc = bridge_open(&o, &w->bridge);
	if (rc == ERR_OK) {
		w->visitor = NULL;
		return;
	}
	stream_abort(target);
	wire_free(w);
}

static void tap_on_accept(void *arg, int fd, const struct addr *peer)
{
	struct demo_tap *tap = arg;
	struct tap_wire *w = tap->host != NULL ? mem_new(w) : NULL;
	struct dial_options o = {
		.loop = tap->loop,
		.host = tap->host,
		.port = tap->port,
		.timeout_ms = TAP_DIAL_MS,
		.fn = wire_on_dialled,
		.arg = w,
	};

	(void)peer;
	if (w == NULL) {
		close(fd);
		return;
	}
	w->tap = tap;
	list_add(&tap->wires, &w->in_tap);
	if (end_open_take(tap, fd, &w->visitor) != ERR_OK) {
		close(fd);
		wire_free(w);
	} else if (dial_open(&o, &w->dial) != ERR_OK) {
		wire_free(w);
	}
}

/* ---- the whole ---- */

enum err demo_tap_open(struct loop *loop, struct demo_tap **out, struct why *why)
{
	struct demo_tap *tap = mem_new(tap);
	enum err rc;

	if (tap == NULL)
		return err_set(why, ERR_NOMEM, "no memory for a tap");
	tap->loop = loop;
	list_init(&tap->wires);
	pool_init(&tap->blocks, TAP_BLOCK_BYTES, 4);
	rc = listener_open(loop, LOCAL, 0, tap_on_accept, tap, &tap->listener, why);
	if (rc != ERR_OK) {
		demo_tap_close(tap);
		return rc;
	}
	*out = tap;
	return ERR_OK;
}

uint16_t demo_tap_port(const struct demo_tap *tap)
{
	struct addr at;

	listener_addr(tap->listener, &at);
	return addr_port(&at);
}

void demo_tap_set_target(struct demo_tap *tap, const char *host, uint16_t port)
{
	tap->host = host;
	tap->port = port;
}

void demo_tap_watch(struct demo_tap *tap, struct span word)
{
	tap->word_n = word.n < sizeof(tap->word) ? word.n : sizeof(tap->word);
	memcpy(tap->word, word.p, tap->word_n);
}

uint64_t demo_tap_bytes(const struct demo_tap *tap)
{
	return tap->bytes;
}

unsigned demo_tap_found(const struct demo_tap *tap)
{
	return tap->found;
}

void demo_tap_close(struct demo_tap *tap)
{
	struct list *it, *next;

	if (tap == NULL)
		return;
	list_each(it, next, &tap->wires)
		wire_free(list_object(it, struct tap_wire, in_tap));
	listener_close(tap->listener);
	pool_fini(&tap->blocks);
	free(tap);
}
