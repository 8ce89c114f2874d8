/*
 * Channels, RFC 4254 5: opening, data within windows, and the end.
 *
 * A channel is two machines: our writing side and what we know of it is @state, the
 * peer's writing side is @has_ended. A number is free again when both CLOSEs have been
 * seen.
 */
#include <assert.h>

#include "base/mem.h"
#include "wire/ssh_priv.h"

#define TYPE "chisel"
#define PEER_PACKET_MIN 9 /* stock refuses less */
#define PEER_PACKET_MAX 0x80000000u
#define CHANNELS_FIRST 64
#define RESERVE_BYTES 256   /* a smaller piece of the sink is not worth a packet */
#define CREDIT_BYTES 131072 /* less is not worth a message, unless the window is small */

/*
 * Data in one packet to a peer that takes 32768, as stock does. Sealed, 32706 bytes are
 * 32740, and two such packets fill a WebSocket message of 65535 bytes but for 55.
 */
#define STOCK_PIECE_BYTES 32706

/* Bits, because a message may be good in several. */
enum ssh_channel_state {
	CHANNEL_REQUESTED = 1, /* ours: waits for the peer's confirmation or failure */
	CHANNEL_ABANDONED = 2, /* the same, and the owner has given it up */
	CHANNEL_OFFERED = 4,   /* the peer's: waits for the owner's decision */
	CHANNEL_OPEN = 8,
	CHANNEL_ENDED = 16,   /* we sent EOF */
	CHANNEL_CLOSING = 32, /* we sent CLOSE, and wait for the peer's */
	CHANNEL_GONE = 64, /* both are through: freed when the next event is asked for */
};

/* From the confirmation to the peer's CLOSE. */
#define CHANNEL_LIVE (CHANNEL_OPEN | CHANNEL_ENDED | CHANNEL_CLOSING)

struct ssh_channel {
	struct ssh *ssh; /* borrowed: owns the channel */
	void *owner;     /* borrowed: the caller's, only handed back */
	enum ssh_channel_state state;
	bool has_ended; /* the peer sent EOF */
	uint32_t id, peer_id;
	uint32_t out_left;  /* what the peer still takes */
	uint32_t out_piece; /* the most data in one packet to the peer */
	uint32_t in_size;   /* the window we promised: left + due + what the owner has */
	uint32_t in_left;   /* what the peer may still send */
	uint32_t in_due;    /* used up by the owner, not yet given back to the peer */
};

static struct ssh_event event_of(enum ssh_event_kind kind, struct ssh_channel *ch)
{
	return (struct ssh_event){ .kind = kind, .channel = ch, .owner = ch->owner };
}

/* ---- channels by number ---- */

static enum err channels_grow(struct ssh *ssh)
{
	uint32_t cap = ssh->channels_cap == 0 ? CHANNELS_FIRST : ssh->channels_cap * 2;
	struct ssh_channel **channels;

	if (cap > SSH_CHANNELS_MAX)
		return ERR_LIMIT;
	channels = realloc(ssh->channels, cap * sizeof(struct ssh_channel *));
	if (channels == NULL)
		return ERR_NOMEM;
	for (uint32_t i = ssh->channels_cap; i < cap; i++)
		channels[i] = NULL;
	ssh->channels = channels;
	ssh->channels_cap = cap;
	return ERR_OK;
}

/*
 * A new channel gets the lowest free number, as Chisel's do, so that numbers stay small
 * and the array as large as it must be. ERR_LIMIT: there are SSH_CHANNELS_MAX.
 */
static enum err channel_new(struct ssh *ssh, enum ssh_channel_state state,
	struct ssh_channel **out)
{
	struct ssh_channel *ch;
	enum err rc = ERR_OK;

	while (ssh->channel_first < ssh->channels_cap &&
		ssh->channels[ssh->channel_first] != NULL)
		ssh->channel_first++;
	if (ssh->channel_first == ssh->channels_cap)
		rc = channels_grow(ssh);
	if (rc != ERR_OK)
		return rc;
	ch = mem_new(ch);
	if (ch == NULL)
		return ERR_NOMEM;
	ch->ssh = ssh;
	ch->state = state;
	ch->id = ssh->channel_first;
	ssh->channels[ch->id] = ch;
	ssh->channels_n++;
	*out = ch;
	return ERR_OK;
}

static void channel_remove(struct ssh_channel *ch)
{
	struct ssh *ssh = ch->ssh;

	ssh->channels[ch->id] = NULL;
	ssh->channels_n--;
	if (ch->id < ssh->channel_first)
		ssh->channel_first = ch->id;
}

static void channel_free(struct ssh_channel *ch)
{
	channel_remove(ch);
	free(ch);
}

/* The number is free, but the event that says so still points to the channel. */
static void channel_retire(struct ssh_channel *ch)
{
	channel_remove(ch);
	ch->state = CHANNEL_GONE;
	ch->ssh->gone = ch;
}

void ssh_channel_reap(struct ssh *ssh)
{
	free(ssh->gone);
	ssh->gone = NULL;
}

void ssh_channels_fini(struct ssh *ssh)
{
	ssh_channel_reap(ssh);
	for (uint32_t i = 0; i < ssh->channels_cap; i++)
		free(ssh->channels[i]);
	free(ssh->channels);
}

struct ssh_channel *ssh_channel_find(const struct ssh *ssh, uint32_t id)
{
	return id < ssh->channels_cap ? ssh->channels[id] : NULL;
}

size_t ssh_channel_count(const struct ssh *ssh)
{
	return ssh->channels_n;
}

/* ---- opening ---- */

/* A message of nothing but the channel. */
static enum err send_plain(struct ssh_channel *ch, enum ssh_number number)
{
	(void)buf_put_u32(ssh_begin(ch->ssh, number), ch->peer_id);
	return ssh_send(ch->ssh);
}

static enum err send_refusal(struct ssh *ssh, uint32_t peer_id, enum ssh_refusal reason,
	const char *text)
{
	struct buf *b = ssh_begin(ssh, SSH_MSG_CHANNEL_OPEN_FAILURE);

	(void)buf_put_u32(b, peer_id);
	(void)buf_put_u32(b, reason);
	ssh_put_text(b, text);
	ssh_put_text(b, "en");
	return ssh_send(ssh);
}

static bool packet_max_is_good(uint32_t max)
{
	return max >= PEER_PACKET_MIN && max <= PEER_PACKET_MAX;
}

static void set_peer(struct ssh_channel *ch, uint32_t id, uint32_t window, uint32_t max)
{
	ch->peer_id = id;
	ch->out_left = window;
	ch->out_piece = max >= SSH_DATA_MAX ? SSH_DATA_MAX :
		max >= STOCK_PIECE_BYTES    ? STOCK_PIECE_BYTES :
					      max;
}

enum err ssh_channel_open(struct ssh *ssh, struct span extra, uint32_t window_bytes,
	void *owner, struct ssh_channel **out)
{
	struct ssh_channel *ch;
	struct buf *b;
	enum err rc;

	if (ssh->phase != SSH_AT_UP || extra.n > SSH_EXTRA_MAX)
		return ERR_USAGE;
	rc = channel_new(ssh, CHANNEL_REQUESTED, &ch);
	if (rc != ERR_OK)
		return rc;
	ch->owner = owner;
	ch->in_size = ch->in_left = window_bytes;

	b = ssh_begin(ssh, SSH_MSG_CHANNEL_OPEN);
	ssh_put_text(b, TYPE);
	(void)buf_put_u32(b, ch->id);
	(void)buf_put_u32(b, window_bytes);
	(void)buf_put_u32(b, SSH_DATA_MAX);
	(void)buf_put_span(b, extra);
	rc = ssh_send(ssh);
	if (rc != ERR_OK) {
		channel_free(ch);
		return rc;
	}
	*out = ch;
	return ERR_OK;
}

enum err ssh_on_channel_open(struct ssh *ssh, struct ssh_message *m)
{
	struct span in = m->in;
	struct ssh_channel *ch = NULL;
	struct span type;
	uint32_t peer_id, window, max;

	if (!ssh_get_string(&in, &type) || !span_u32(&in, &peer_id) ||
		!span_u32(&in, &window) || !span_u32(&in, &max))
		return err_set(m->why, ERR_SYNTAX, "malformed channel open");
	if (!span_is(type, TYPE))
		return send_refusal(ssh, peer_id, SSH_UNKNOWN_TYPE,
			"unknown channel type");
	if (!packet_max_is_good(max) || in.n > SSH_EXTRA_MAX)
		return send_refusal(ssh, peer_id, SSH_CONNECT_FAILED, "invalid request");
	if (channel_new(ssh, CHANNEL_OFFERED, &ch) != ERR_OK)
		return send_refusal(ssh, peer_id, SSH_RESOURCE_SHORTAGE,
			"too many channels");
	assert(ch != NULL); /* for analysers */
	set_peer(ch, peer_id, window, max);
	m->event = event_of(SSH_OPEN, ch);
	m->event.data = in;
	return ERR_OK;
}

enum err ssh_channel_accept(struct ssh_channel *ch, uint32_t window_bytes, void *owner)
{
	struct buf *b;

	if (ch->state != CHANNEL_OFFERED)
		return ERR_USAGE;
	ch->owner = owner;
	ch->state = CHANNEL_OPEN;
	ch->in_size = ch->in_left = window_bytes;
	b = ssh_begin(ch->ssh, SSH_MSG_CHANNEL_OPEN_CONFIRMATION);
	(void)buf_put_u32(b, ch->peer_id);
	(void)buf_put_u32(b, ch->id);
	(void)buf_put_u32(b, window_bytes);
	(void)buf_put_u32(b, SSH_DATA_MAX);
	return ssh_send(ch->ssh);
}

enum err ssh_channel_refuse(struct ssh_channel *ch, enum ssh_refusal reason,
	const char *text)
{
	struct ssh *ssh = ch->ssh;
	uint32_t peer_id = ch->peer_id;

	if (ch->state != CHANNEL_OFFERED)
		return ERR_USAGE;
	channel_free(ch);
	return send_refusal(ssh, peer_id, reason, text);
}

static enum err on_open_confirmation(struct ssh_channel *ch, struct ssh_message *m)
{
	uint32_t peer_id, window, max;

	if (!span_u32(&m->in, &peer_id) || !span_u32(&m->in, &window) ||
		!span_u32(&m->in, &max))
		return err_set(m->why, ERR_SYNTAX, "malformed channel confirmation");
	if (!packet_max_is_good(max))
		return err_set(m->why, ERR_PROTO, "invalid maximum packet size %u",
			(unsigned)max);
	set_peer(ch, peer_id, window, max);
	if (ch->state == CHANNEL_ABANDONED) {
		ch->state = CHANNEL_CLOSING;
		return send_plain(ch, SSH_MSG_CHANNEL_CLOSE);
	}
	ch->state = CHANNEL_OPEN;
	m->event = event_of(SSH_OPENED, ch);
	return ERR_OK;
}

static enum err on_open_failure(struct ssh_channel *ch, struct ssh_message *m)
{
	struct span text;
	uint32_t reason;

	if (!span_u32(&m->in, &reason) || !ssh_get_string(&m->in, &text))
		return err_set(m->why, ERR_SYNTAX, "malformed channel failure");
	if (ch->state == CHANNEL_ABANDONED) {
		channel_free(ch);
		return ERR_OK;
	}
	channel_retire(ch);
	m->event = event_of(SSH_REFUSED, ch);
	m->event.reason = reason;
	m->event.data = text;
	return ERR_OK;
}

/* ---- messages of open channels ---- */

static enum err on_window_adjust(struct ssh_channel *ch, struct ssh_message *m)
{
	uint32_t n;

	if (!span_u32(&m->in, &n))
		return err_set(m->why, ERR_SYNTAX, "malformed window adjustment");
	if (n > UINT32_MAX - ch->out_left)
		return err_set(m->why, ERR_PROTO, "the window of channel %u overflows",
			(unsigned)ch->id);
	ch->out_left += n;
	if (ch->state == CHANNEL_OPEN)
		m->event = event_of(SSH_WINDOW, ch);
	return ERR_OK;
}

/* Takes data that we allowed, and charges the window for it. */
static enum err take_data(struct ssh_channel *ch, struct ssh_message *m,
	struct span *data)
{
	if (!ssh_get_string(&m->in, data))
		return err_set(m->why, ERR_SYNTAX, "malformed channel data");
	if (ch->has_ended)
		return err_set(m->why, ERR_PROTO, "data after EOF on channel %u",
			(unsigned)ch->id);
	if (data->n > SSH_DATA_MAX)
		return err_set(m->why, ERR_PROTO, "too much data in a packet");
	if (data->n > ch->in_left)
		return err_set(m->why, ERR_PROTO, "data beyond the window of channel %u",
			(unsigned)ch->id);
	ch->in_left -= (uint32_t)data->n;
	return ERR_OK;
}

static enum err on_data(struct ssh_channel *ch, struct ssh_message *m)
{
	struct span data = { 0 };
	enum err rc = take_data(ch, m, &data);

	/* After our CLOSE, data that was on its way is dropped, without credit. */
	if (rc == ERR_OK && data.n > 0 && ch->state != CHANNEL_CLOSING) {
		m->event = event_of(SSH_DATA, ch);
		m->event.data = data;
	}
	return rc;
}

/* Chisel does not use it: dropped, and its credit given back. */
static enum err on_extended_data(struct ssh_channel *ch, struct ssh_message *m)
{
	struct span data;
	uint32_t type;
	enum err rc;

	if (!span_u32(&m->in, &type))
		return err_set(m->why, ERR_SYNTAX, "malformed channel data");
	rc = take_data(ch, m, &data);
	return rc == ERR_OK ? ssh_channel_credit(ch, (uint32_t)data.n) : rc;
}

static enum err on_eof(struct ssh_channel *ch, struct ssh_message *m)
{
	if (ch->has_ended || ch->state == CHANNEL_CLOSING)
		return ERR_OK;
	ch->has_ended = true;
	m->event = event_of(SSH_EOF, ch);
	return ERR_OK;
}

static enum err on_close(struct ssh_channel *ch, struct ssh_message *m)
{
	enum err rc;

	if (ch->state == CHANNEL_CLOSING) {
		channel_free(ch);
		return ERR_OK;
	}
	rc = send_plain(ch, SSH_MSG_CHANNEL_CLOSE);
	if (rc != ERR_OK)
		return rc;
	channel_retire(ch);
	m->event = event_of(SSH_CLOSE, ch);
	return ERR_OK;
}

/* Chisel defines no requests, so all fail. After our CLOSE none is answered. */
static enum err on_channel_request(struct ssh_channel *ch, struct ssh_message *m)
{
	struct span name;
	bool wants_reply;

	if (!ssh_get_string(&m->in, &name) || !ssh_get_bool(&m->in, &wants_reply))
		return err_set(m->why, ERR_SYNTAX, "malformed channel request");
	if (!wants_reply || ch->state == CHANNEL_CLOSING)
		return ERR_OK;
	return send_plain(ch, SSH_MSG_CHANNEL_FAILURE);
}

enum err ssh_on_channel_message(struct ssh *ssh, struct ssh_message *m)
{
	enum { OPENING = CHANNEL_REQUESTED | CHANNEL_ABANDONED };
	static const struct {
		unsigned states; /* in which the message may come */
		enum err (*handle)(struct ssh_channel *ch, struct ssh_message *m);
	} rules[] = {
		[SSH_MSG_CHANNEL_OPEN_CONFIRMATION] = { OPENING, on_open_confirmation },
		[SSH_MSG_CHANNEL_OPEN_FAILURE] = { OPENING, on_open_failure },
		[SSH_MSG_CHANNEL_WINDOW_ADJUST] = { CHANNEL_LIVE, on_window_adjust },
		[SSH_MSG_CHANNEL_DATA] = { CHANNEL_LIVE, on_data },
		[SSH_MSG_CHANNEL_EXTENDED_DATA] = { CHANNEL_LIVE, on_extended_data },
		[SSH_MSG_CHANNEL_EOF] = { CHANNEL_LIVE, on_eof },
		[SSH_MSG_CHANNEL_CLOSE] = { CHANNEL_LIVE, on_close },
		[SSH_MSG_CHANNEL_REQUEST] = { CHANNEL_LIVE, on_channel_request },
	};
	struct ssh_channel *ch;
	uint32_t id;

	if (!span_u32(&m->in, &id))
		return err_set(m->why, ERR_SYNTAX,
			"a channel message without a channel number");
	ch = ssh_channel_find(ssh, id);
	if (ch == NULL)
		return err_set(m->why, ERR_PROTO, "there is no channel %u", (unsigned)id);
	if ((rules[m->number].states & ch->state) == 0)
		return err_set(m->why, ERR_PROTO, "unexpected message %u for channel %u",
			m->number, (unsigned)id);
	return rules[m->number].handle(ch, m);
}

/* ---- what the owner does ---- */

size_t ssh_channel_window(const struct ssh_channel *ch)
{
	return ch->state == CHANNEL_OPEN && ssh_can_send(ch->ssh) ? ch->out_left : 0;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

enum err ssh_channel_reserve(struct ssh_channel *ch, size_t max, struct mspan *out)
{
	struct ssh *ssh = ch->ssh;
	struct sink *sink = ssh->options.out;
	size_t want = smaller(max, smaller(ch->out_piece, ssh_channel_window(ch)));
	size_t min = SSH_PACKET_OVERHEAD + smaller(want, RESERVE_BYTES);
	enum err rc;

	if (max == 0)
		return ERR_USAGE;
	if (want == 0)
		return ssh->failed != ERR_OK ? ssh->failed : ERR_AGAIN;
	rc = sink->reserve(sink, min, SSH_PACKET_OVERHEAD + want, &ssh->loan);
	if (rc != ERR_OK)
		return rc;
	*out = (struct mspan){
		.p = ssh->loan.p + SSH_PACKET_HEADER + SSH_DATA_HEADER,
		.n = ssh->loan.n - SSH_PACKET_OVERHEAD,
	};
	return ERR_OK;
}

enum err ssh_channel_commit(struct ssh_channel *ch, size_t n)
{
	struct ssh *ssh = ch->ssh;
	struct sink *sink = ssh->options.out;
	struct mspan loan = ssh->loan;
	uint8_t *payload = loan.p + SSH_PACKET_HEADER;
	size_t size = ssh_packet_size(&ssh->out, SSH_DATA_HEADER + n);
	enum err rc;

	if (n > 0 && loan.n < n + SSH_PACKET_OVERHEAD)
		return ERR_USAGE;
	ssh->loan = (struct mspan){ 0 };
	if (n == 0) {
		sink->commit(sink, 0);
		return ERR_OK;
	}
	payload[0] = SSH_MSG_CHANNEL_DATA;
	mem_put_u32(mem_put_u32(payload + 1, ch->peer_id), (uint32_t)n);
	rc = ssh_packet_seal(&ssh->out, loan.p, SSH_DATA_HEADER + n);
	if (rc != ERR_OK)
		return ssh_fail(ssh, rc);
	sink->commit(sink, size);
	ch->out_left -= (uint32_t)n;
	return ssh_handshake_start_if_due(ssh);
}

static enum err send_credit(struct ssh_channel *ch)
{
	struct buf *b = ssh_begin(ch->ssh, SSH_MSG_CHANNEL_WINDOW_ADJUST);

	(void)buf_put_u32(b, ch->peer_id);
	(void)buf_put_u32(b, ch->in_due);
	ch->in_left += ch->in_due;
	ch->in_due = 0;
	return ssh_send(ch->ssh);
}

/* A peer that sends no more needs no credit, and after our CLOSE none may be given. */
static bool takes_credit(const struct ssh_channel *ch)
{
	return !ch->has_ended && (ch->state & (CHANNEL_OPEN | CHANNEL_ENDED)) != 0;
}

/* An eighth of the window is lent late at most, so that a long path stays full. */
static bool is_lump(const struct ssh_channel *ch)
{
	uint32_t lump = ch->in_size / 8 > CREDIT_BYTES ? ch->in_size / 8 : CREDIT_BYTES;

	return ch->in_due >= lump || ch->in_due >= ch->in_size / 2;
}

enum err ssh_channel_credit(struct ssh_channel *ch, uint32_t n)
{
	if (n > ch->in_size - ch->in_left - ch->in_due)
		return ERR_USAGE;
	ch->in_due += n;
	if (ch->in_due == 0 || !takes_credit(ch) || !is_lump(ch))
		return ERR_OK;
	return send_credit(ch);
}

enum err ssh_channel_widen(struct ssh_channel *ch, uint32_t window_bytes)
{
	if (window_bytes <= ch->in_size || !takes_credit(ch))
		return ERR_OK;
	ch->in_due += window_bytes - ch->in_size;
	ch->in_size = window_bytes;
	return send_credit(ch);
}

uint32_t ssh_channel_window_size(const struct ssh_channel *ch)
{
	return ch->in_size;
}

enum err ssh_channel_eof(struct ssh_channel *ch)
{
	if ((ch->state & (CHANNEL_REQUESTED | CHANNEL_OFFERED)) != 0)
		return ERR_USAGE;
	if (ch->state != CHANNEL_OPEN)
		return ERR_OK;
	ch->state = CHANNEL_ENDED;
	return send_plain(ch, SSH_MSG_CHANNEL_EOF);
}

enum err ssh_channel_close(struct ssh_channel *ch)
{
	switch (ch->state) {
	case CHANNEL_REQUESTED:
		ch->state = CHANNEL_ABANDONED; /* we cannot name it to the peer yet */
		return ERR_OK;
	case CHANNEL_OFFERED:
		return ssh_channel_refuse(ch, SSH_CONNECT_FAILED, "closed");
	case CHANNEL_OPEN:
	case CHANNEL_ENDED:
		ch->state = CHANNEL_CLOSING;
		return send_plain(ch, SSH_MSG_CHANNEL_CLOSE);
	default: /* it is over */
		return ERR_OK;
	}
}
