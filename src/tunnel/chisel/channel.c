/* A channel is one visitor's way through a session, and a stream to its user. */
#include "tunnel/chisel/channel.h"

#include "base/clock.h"
#include "base/str.h"

#define CHANNEL_WINDOW_MAX (16u << 20) /* of one channel, grown on a long fat path */
#define CHANNEL_WINDOW_FIRST (512u << 10)
#define CHANNEL_WINDOW_MIN (64u << 10)
#define CHANNEL_WIDENED_BYTES (64u << 20) /* by growth, of all channels together */
#define CHANNEL_WINDOWS_BYTES (64u << 20) /* shared out while there are many channels */

/*
 * Stock peers before 1.12 turn an EOF into a full close and lose what they had not sent.
 * So a visitor's EOF is held back from a peer that is not known to half-close, until the
 * answer is complete: this long after its last byte, or this long if no byte came.
 */
#define CHANNEL_QUIET_MS 1000
#define CHANNEL_UNANSWERED_MS 5000

static const struct stream_ops channel_ops;
static void channel_on_later(void *arg);
static void channel_fail_dial(struct channel *ch, enum err rc, const struct why *why);

struct channel *channel_new(struct mux *mux, bool is_ours)
{
	struct channel *ch = mem_new(ch);

	if (ch == NULL)
		return NULL;
	ch->stream.ops = &channel_ops;
	ch->stream.fd = -1;
	ch->loop = mux->loop;
	ch->mux = mux;
	ch->is_ours = is_ours;
	list_init(&ch->in_turn);
	list_init(&ch->in_linger);
	list_init(&ch->in_mux);
	list_add(&mux->channels, &ch->in_mux);
	fifo_init(&ch->arrived);
	loop_deferred_init(&ch->later, channel_on_later, ch);
	return ch;
}

uint32_t channel_first_window(const struct mux *mux)
{
	size_t share = CHANNEL_WINDOWS_BYTES / (ssh_channel_count(mux->ssh) + 1);

	if (share > CHANNEL_WINDOW_FIRST)
		return CHANNEL_WINDOW_FIRST;
	return share < CHANNEL_WINDOW_MIN ? CHANNEL_WINDOW_MIN : (uint32_t)share;
}

static struct channel *channel_of(struct stream *s)
{
	return mem_container(s, struct channel, stream);
}

static void channel_free(struct channel *ch)
{
	fifo_fini(&ch->arrived);
	list_remove(&ch->in_mux);
	free(ch);
}

/* ---- what its user sees: readiness ---- */

static bool channel_is_readable(const struct channel *ch)
{
	return ch->arrived.n > 0 || ch->lent.n > 0 || ch->reading != CHANNEL_READ_OPEN;
}

static bool channel_is_writable(const struct channel *ch)
{
	if (ch->mux == NULL || ch->writing == CHANNEL_WRITE_CLOSED)
		return true; /* the user learns that it is over */
	return ch->writing == CHANNEL_WRITE_OPEN && ssh_channel_window(ch->ssh) > 0;
}

/* The wants that are met without a turn at the connection. */
static unsigned channel_ready(const struct channel *ch)
{
	unsigned ready = 0;

	if (channel_is_readable(ch))
		ready |= LOOP_READ;
	if (ch->mux == NULL || ch->writing == CHANNEL_WRITE_CLOSED)
		ready |= LOOP_WRITE | LOOP_HANGUP;
	return ready & ch->wants;
}

/* Wants that are met already are reported soon: they are level triggered. */
void channel_check_wants(struct channel *ch)
{
	unsigned ready = channel_ready(ch);

	if (ready != 0)
		loop_defer(ch->loop, &ch->later);
	if ((ch->wants & ~ready & LOOP_WRITE) && channel_is_writable(ch) &&
		list_is_empty(&ch->in_turn))
		mux_want_turn(ch->mux, ch, ch->is_bulk);
}

static void channel_on_later(void *arg)
{
	static const struct why gone = { "the session has ended" };
	struct channel *ch = arg;
	unsigned ready;

	if (ch->is_closed) {
		channel_free(ch);
		return;
	}
	if (ch->on_opened != NULL) {
		channel_fail_dial(ch, ERR_CLOSED, &gone);
		return;
	}
	ready = channel_ready(ch);
	if (ready != 0)
		ch->stream.on_ready(ch->stream.arg, ready);
	if (ready != 0 && !ch->is_closed)
		channel_check_wants(ch);
}

void channel_on_turn(struct channel *ch)
{
	if (ch->wants & LOOP_WRITE)
		ch->stream.on_ready(ch->stream.arg, LOOP_WRITE);
	if (!ch->is_closed)
		channel_check_wants(ch);
}

static void channel_want(struct stream *s, unsigned wants)
{
	struct channel *ch = channel_of(s);

	ch->wants = (uint8_t)wants;
	if (!(wants & LOOP_WRITE))
		list_remove(&ch->in_turn);
	channel_check_wants(ch);
}

/* ---- reading ---- */

static enum err channel_read_end(const struct channel *ch)
{
	static const enum err ends[] = {
		[CHANNEL_READ_OPEN] = ERR_AGAIN,
		[CHANNEL_READ_EOF] = ERR_EOF,
		[CHANNEL_READ_CLOSED] = ERR_CLOSED,
		[CHANNEL_READ_BROKEN] = ERR_RESET,
	};

	return ends[ch->reading];
}

static enum err channel_peek(struct stream *s, struct span *out)
{
	struct channel *ch = channel_of(s);

	if (ch->arrived.n > 0) {
		*out = fifo_peek(&ch->arrived);
		return ERR_OK;
	}
	if (ch->lent.n > 0) {
		*out = ch->lent;
		return ERR_OK;
	}
	return channel_read_end(ch);
}

/* Doubles the window, within the limit of all channels together. */
static void channel_widen(struct channel *ch, uint32_t window)
{
	struct mux *m = ch->mux;

	if (window >= CHANNEL_WINDOW_MAX ||
		m->widened_bytes + window > CHANNEL_WIDENED_BYTES)
		return;
	ch->widened_bytes += window;
	m->widened_bytes += window;
	mux_check(m, ssh_channel_widen(ch->ssh, window * 2));
}

/*
 * Grows the window when the peer used all of it within two round trips: then the window
 * is the bottleneck, not the path or the reader.
 */
static void channel_tune_window(struct channel *ch, size_t n)
{
	uint32_t window = ssh_channel_window_size(ch->ssh);
	uint64_t now;

	ch->credit_bytes += n;
	if (ch->credit_bytes < window)
		return;
	now = clock_now_us();
	if (now - ch->credit_us < 2 * ch->mux->rtt_us)
		channel_widen(ch, window);
	ch->credit_bytes = 0;
	ch->credit_us = now;
}

static void channel_consume(struct stream *s, size_t n)
{
	struct channel *ch = channel_of(s);

	if (ch->arrived.n > 0) {
		fifo_consume(&ch->arrived, n);
	} else {
		ch->lent.p += n;
		ch->lent.n -= n;
	}
	if (ch->ssh == NULL)
		return;
	mux_check(ch->mux, ssh_channel_credit(ch->ssh, (uint32_t)n));
	channel_tune_window(ch, n);
	mux_pump_soon(ch->mux);
}

static enum err channel_read(struct stream *s, void *to, size_t room, size_t *got)
{
	struct span data = { 0 };
	enum err rc = channel_peek(s, &data);

	if (rc != ERR_OK)
		return rc;
	if (data.n > room)
		data.n = room;
	if (data.n > 0)
		memcpy(to, data.p, data.n);
	channel_consume(s, data.n);
	*got = data.n;
	return ERR_OK;
}

/* ---- writing ---- */

static enum err channel_reserve(struct stream *s, struct mspan *out)
{
	struct channel *ch = channel_of(s);
	enum err rc;

	if (ch->mux == NULL)
		return ERR_RESET;
	if (ch->writing == CHANNEL_WRITE_CLOSED)
		return ERR_CLOSED;
	if (ch->writing != CHANNEL_WRITE_OPEN)
		return ERR_AGAIN;
	if (!mux_has_room(ch->mux, ch)) {
		ch->is_bulk = ch->is_bulk || ch->mux->turn == ch;
		return ERR_AGAIN;
	}
	rc = ssh_channel_reserve(ch->ssh, SSH_DATA_MAX, out);
	if (rc != ERR_OK) {
		mux_check(ch->mux, rc);
		return rc;
	}
	ch->lent_room = out->n;
	return ERR_OK;
}

static enum err channel_commit(struct stream *s, size_t n)
{
	struct channel *ch = channel_of(s);
	enum err rc = ssh_channel_commit(ch->ssh, n);

	if (rc != ERR_OK) {
		mux_break(ch->mux, rc);
		return rc;
	}
	if (n == 0)
		return ERR_OK;
	ch->is_bulk = n == ch->lent_room;
	ch->is_answered = false;
	ch->mux->sent_bytes += n;
	mux_note_use(ch->mux, true);
	mux_pump_soon(ch->mux);
	return ERR_OK;
}

static enum err channel_write(struct stream *s, const struct iovec *iov, int count,
	size_t *put)
{
	size_t done = 0, part = 0;
	struct mspan room;
	enum err rc = ERR_OK;

	for (int i = 0; i < count && rc == ERR_OK; i++) {
		for (size_t at = 0; at < iov[i].iov_len; at += part) {
			rc = channel_reserve(s, &room);
			if (rc != ERR_OK)
				break;
			part = iov[i].iov_len - at < room.n ? iov[i].iov_len - at :
							      room.n;
			memcpy(room.p, (const uint8_t *)iov[i].iov_base + at, part);
			rc = channel_commit(s, part);
			if (rc != ERR_OK)
				break;
			done += part;
		}
	}
	if (done == 0)
		return rc;
	*put = done;
	return ERR_OK;
}

static void channel_send_eof(struct channel *ch)
{
	if (ch->writing == CHANNEL_WRITE_LINGERING)
		ch->mux->linger_count--;
	list_remove(&ch->in_linger);
	ch->writing = CHANNEL_WRITE_FINISHED;
	mux_check(ch->mux, ssh_channel_eof(ch->ssh));
	mux_pump_soon(ch->mux);
}

/* True if an EOF now might cost the visitor the answer. */
static bool channel_must_linger(const struct channel *ch)
{
	return ch->is_ours && !ch->mux->peer_half_closes && !ch->is_answered &&
		ch->reading == CHANNEL_READ_OPEN &&
		ch->mux->linger_count < MUX_LINGER_MAX;
}

static enum err channel_finish(struct stream *s)
{
	struct channel *ch = channel_of(s);

	if (ch->mux == NULL || ch->writing != CHANNEL_WRITE_OPEN)
		return ERR_OK;
	if (!channel_must_linger(ch)) {
		channel_send_eof(ch);
		return ERR_OK;
	}
	ch->writing = CHANNEL_WRITE_LINGERING;
	ch->quiet_ms = clock_now_ms();
	mux_linger(ch->mux, ch);
	return ERR_OK;
}

void channel_on_tick(struct channel *ch, uint64_t now_ms)
{
	uint64_t timeout_ms = ch->is_answered ? CHANNEL_QUIET_MS : CHANNEL_UNANSWERED_MS;

	if (now_ms - ch->quiet_ms >= timeout_ms || ch->mux->peer_half_closes)
		channel_send_eof(ch);
}

/* ---- ends ---- */

/* The answer to a dial has come, or is not needed any more. */
static void channel_is_settled(struct channel *ch)
{
	if (ch->is_dialled)
		ch->mux->keepalive.opens--;
	ch->is_dialled = false;
}

/* Detaches it from its session, except from the list of channels. */
static void channel_leave(struct channel *ch)
{
	channel_is_settled(ch);
	if (ch->writing == CHANNEL_WRITE_LINGERING)
		ch->mux->linger_count--;
	ch->writing = CHANNEL_WRITE_CLOSED;
	ch->mux->widened_bytes -= ch->widened_bytes;
	ch->widened_bytes = 0;
	list_remove(&ch->in_turn);
	list_remove(&ch->in_linger);
	ch->ssh = NULL;
}

static void channel_close(struct stream *s, bool is_abort)
{
	struct channel *ch = channel_of(s);

	if (ch->is_closed)
		return;
	ch->is_closed = true;
	ch->wants = 0;
	ch->on_opened = NULL;
	if (ch->ssh != NULL) {
		/* EOF before CLOSE is an orderly end; a bare CLOSE an abort. */
		if (!is_abort && ch->writing != CHANNEL_WRITE_PENDING &&
			ch->mux->peer_half_closes)
			mux_check(ch->mux, ssh_channel_eof(ch->ssh));
		mux_check(ch->mux, ssh_channel_close(ch->ssh));
		mux_pump_soon(ch->mux);
		channel_leave(ch);
	}
	list_remove(&ch->in_mux);
	ch->mux = NULL;
	loop_defer(ch->loop, &ch->later);
}

void channel_on_session_gone(struct channel *ch)
{
	if (ch->ssh != NULL)
		channel_leave(ch);
	ch->writing = CHANNEL_WRITE_CLOSED;
	if (ch->reading == CHANNEL_READ_OPEN || ch->reading == CHANNEL_READ_EOF)
		ch->reading = CHANNEL_READ_BROKEN;
	list_remove(&ch->in_mux);
	ch->mux = NULL;
	loop_defer(ch->loop, &ch->later);
}

/* ---- from the peer ---- */

static void channel_on_data(struct channel *ch, struct span data)
{
	ch->is_answered = true;
	ch->mux->received_bytes += data.n;
	mux_note_use(ch->mux, false);
	if (ch->writing == CHANNEL_WRITE_LINGERING)
		ch->quiet_ms = clock_now_ms();
	if (ch->arrived.n == 0 && (ch->wants & LOOP_READ)) {
		ch->lent = data;
		ch->stream.on_ready(ch->stream.arg, LOOP_READ);
		data = ch->lent;
		ch->lent = (struct span){ 0 };
	}
	if (data.n == 0 || ch->is_closed || ch->mux == NULL)
		return;
	mux_check(ch->mux, fifo_put(&ch->arrived, data));
	channel_check_wants(ch);
}

static void channel_on_eof(struct channel *ch)
{
	ch->mux->peer_half_closes = true;
	if (ch->reading == CHANNEL_READ_OPEN)
		ch->reading = CHANNEL_READ_EOF;
	channel_check_wants(ch);
}

static void channel_on_close(struct channel *ch)
{
	/* A peer that half-closes sends EOF before an orderly CLOSE. */
	bool is_orderly = ch->reading == CHANNEL_READ_EOF || !ch->mux->peer_half_closes;

	ch->reading = is_orderly ? CHANNEL_READ_CLOSED : CHANNEL_READ_BROKEN;
	channel_leave(ch);
	channel_check_wants(ch);
}

/* ---- dialling ---- */

/* A dial has failed. */
static void channel_fail_dial(struct channel *ch, enum err rc, const struct why *why)
{
	channel_opened_fn *fn = ch->on_opened;

	ch->on_opened = NULL;
	fn(ch->opened_arg, rc, NULL, why);
	channel_close(&ch->stream, true);
}

void channel_dial(struct channel *ch, channel_opened_fn *fn, void *arg)
{
	ch->on_opened = fn;
	ch->opened_arg = arg;
	ch->is_dialled = true;
	ch->mux->keepalive.opens++;
	mux_note_use(ch->mux, true);
	mux_pump_soon(ch->mux);
}

static void channel_on_opened(struct channel *ch)
{
	channel_opened_fn *fn = ch->on_opened;

	channel_is_settled(ch);
	ch->writing = CHANNEL_WRITE_OPEN;
	ch->on_opened = NULL;
	fn(ch->opened_arg, ERR_OK, &ch->stream, NULL);
}

static void channel_on_refused(struct channel *ch, struct span words)
{
	struct why why;
	char text[160];

	err_set(&why, ERR_DENIED, "rejected: %s", str_quote(text, sizeof(text), words));
	channel_leave(ch);
	channel_fail_dial(ch, ERR_DENIED, &why);
}

void channel_on_event(struct channel *ch, const struct ssh_event *ev)
{
	switch (ev->kind) {
	case SSH_OPENED:
		channel_on_opened(ch);
		break;
	case SSH_REFUSED:
		channel_on_refused(ch, ev->data);
		break;
	case SSH_DATA:
		channel_on_data(ch, ev->data);
		break;
	case SSH_WINDOW:
		channel_check_wants(ch);
		break;
	case SSH_EOF:
		channel_on_eof(ch);
		break;
	case SSH_CLOSE:
		channel_on_close(ch);
		break;
	default:
		break;
	}
}

void channel_dial_close(struct channel *ch)
{
	if (ch != NULL)
		channel_close(&ch->stream, true);
}

/* ---- offered by the peer ---- */

enum err channel_accept(struct channel *ch, struct stream **out)
{
	enum err rc = ERR_CLOSED;

	if (ch->ssh != NULL)
		rc = ssh_channel_accept(ch->ssh, channel_first_window(ch->mux), ch);
	if (rc != ERR_OK) {
		stream_abort(&ch->stream);
		return rc;
	}
	ch->writing = CHANNEL_WRITE_OPEN;
	mux_pump_soon(ch->mux);
	*out = &ch->stream;
	return ERR_OK;
}

void channel_refuse(struct channel *ch, enum ssh_refusal reason, const char *text)
{
	if (ch->ssh != NULL) {
		mux_check(ch->mux, ssh_channel_refuse(ch->ssh, reason, text));
		mux_pump_soon(ch->mux);
		channel_leave(ch);
	}
	stream_abort(&ch->stream);
}

static const struct stream_ops channel_ops = {
	.name = "channel",
	.read = channel_read,
	.write = channel_write,
	.finish = channel_finish,
	.want = channel_want,
	.close = channel_close,
	.peek = channel_peek,
	.consume = channel_consume,
	.reserve = channel_reserve,
	.commit = channel_commit,
};
