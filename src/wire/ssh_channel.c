/*
 * Channels, RFC 4254 5: opening, data within windows, and the end.
 *
 * A channel is two machines: our writing side and what we know of it is @state, the
 * peer's writing side is @has_ended. A number is free again when both CLOSEs have been
 * seen.
 */
#include <assert.h>

#include "base/mem.h"
#include "wire/ssh_engine.h"

#define TYPE "chisel"
#define PEER_PACKET_MIN 9 /* stock refuses less */
#define PEER_PACKET_MAX 0x80000000u
#define RESERVE_BYTES 256   /* a smaller piece of the sink is not worth a packet */
#define CREDIT_BYTES 131072 /* less is not worth a message, unless the window is small */

/*
 * Data in one packet to a peer that takes 32768, as stock does. Sealed, 32706 bytes are
 * 32740, and two such packets fill a WebSocket message of 65535 bytes but for 55.
 */
#define STOCK_PIECE_BYTES 32706

enum ssh_channel_state {
	CHANNEL_ASKED,     /* ours: waits for the peer's word */
	CHANNEL_ABANDONED, /* the same, and the owner has given it up */
	CHANNEL_OFFERED,   /* the peer's: waits for the owner's word */
	CHANNEL_OPEN,
	CHANNEL_ENDED,   /* we sent EOF */
	CHANNEL_CLOSING, /* we sent CLOSE, and wait for theirs */
	CHANNEL_GONE,    /* both are through: freed when the next event is asked for */
};

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

static enum err out_of_turn(const struct ssh_channel *ch, struct why *why)
{
	return err_set(why, ERR_PROTO, "a message out of turn for channel %u",
		(unsigned)ch->id);
}

static enum err channel_new(struct ssh *ssh, enum ssh_channel_state state,
	struct ssh_channel **out)
{
	struct ssh_channel *ch = mem_new(ch);
	enum err rc;

	if (ch == NULL)
		return ERR_NOMEM;
	ch->ssh = ssh;
	ch->state = state;
	rc = ssh_table_add(&ssh->channels, ch, &ch->id);
	if (rc != ERR_OK) {
		free(ch);
		return rc;
	}
	*out = ch;
	return ERR_OK;
}

static void channel_free(struct ssh_channel *ch)
{
	ssh_table_remove(&ch->ssh->channels, ch->id);
	free(ch);
}

/* The number is free, but the event that says so still points to the channel. */
static void channel_retire(struct ssh_channel *ch)
{
	ssh_table_remove(&ch->ssh->channels, ch->id);
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
	for (size_t i = 0; i < ssh->channels.cap; i++)
		free(ssh->channels.slots[i]);
	ssh_table_fini(&ssh->channels);
}

size_t ssh_channel_count(const struct ssh *ssh)
{
	return ssh->channels.count;
}

/* A message that says nothing but which channel. */
static enum err send_plain(struct ssh_channel *ch, enum ssh_message number)
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

static void set_window(struct ssh_channel *ch, uint32_t window_bytes)
{
	ch->in_size = ch->in_left = window_bytes;
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
	rc = channel_new(ssh, CHANNEL_ASKED, &ch);
	if (rc != ERR_OK)
		return rc;
	ch->owner = owner;
	set_window(ch, window_bytes);

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

/* Why a channel that the peer opens is refused without asking the owner;
 * 0 if it is not. */
static enum ssh_refusal judge_open(struct span type, uint32_t max, struct span extra,
	const char **text)
{
	*text = "unknown channel type";
	if (!span_is(type, TYPE))
		return SSH_UNKNOWN_TYPE;
	*text = "invalid request";
	return !packet_max_is_good(max) || extra.n > SSH_EXTRA_MAX ? SSH_CONNECT_FAILED :
								     0;
}

static enum err refuse_by_ourselves(struct ssh *ssh, uint32_t peer_id,
	enum ssh_refusal reason, const char *text)
{
	enum err rc = send_refusal(ssh, peer_id, reason, text);

	return rc == ERR_OK ? ERR_AGAIN : rc;
}

enum err ssh_on_channel_open(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why)
{
	struct ssh_channel *ch = NULL;
	struct span type;
	uint32_t peer_id, window, max;
	enum ssh_refusal reason;
	const char *text;
	enum err rc;

	if (!ssh_get_string(&in, &type) || !span_u32(&in, &peer_id) ||
		!span_u32(&in, &window) || !span_u32(&in, &max))
		return err_set(why, ERR_SYNTAX, "bad channel open");
	reason = judge_open(type, max, in, &text);
	if (reason != 0)
		return refuse_by_ourselves(ssh, peer_id, reason, text);
	rc = channel_new(ssh, CHANNEL_OFFERED, &ch);
	if (rc != ERR_OK)
		return refuse_by_ourselves(ssh, peer_id, SSH_RESOURCE_SHORTAGE,
			"too many channels");
	assert(ch != NULL); /* for analysers */
	set_peer(ch, peer_id, window, max);
	*out = event_of(SSH_OPEN, ch);
	out->data = in;
	return ERR_OK;
}

enum err ssh_channel_accept(struct ssh_channel *ch, uint32_t window_bytes, void *owner)
{
	struct buf *b;

	if (ch->state != CHANNEL_OFFERED)
		return ERR_USAGE;
	ch->owner = owner;
	ch->state = CHANNEL_OPEN;
	set_window(ch, window_bytes);
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

enum err ssh_on_open_confirmation(struct ssh_channel *ch, struct span in,
	struct ssh_event *out, struct why *why)
{
	uint32_t peer_id, window, max;
	enum err rc;

	if (ch->state != CHANNEL_ASKED && ch->state != CHANNEL_ABANDONED)
		return out_of_turn(ch, why);
	if (!span_u32(&in, &peer_id) || !span_u32(&in, &window) || !span_u32(&in, &max))
		return err_set(why, ERR_SYNTAX, "bad channel confirmation");
	if (!packet_max_is_good(max))
		return err_set(why, ERR_PROTO, "a maximum packet of %u bytes",
			(unsigned)max);
	set_peer(ch, peer_id, window, max);
	if (ch->state == CHANNEL_ABANDONED) {
		ch->state = CHANNEL_CLOSING;
		rc = send_plain(ch, SSH_MSG_CHANNEL_CLOSE);
		return rc == ERR_OK ? ERR_AGAIN : rc;
	}
	ch->state = CHANNEL_OPEN;
	*out = event_of(SSH_OPENED, ch);
	return ERR_OK;
}

enum err ssh_on_open_failure(struct ssh_channel *ch, struct span in,
	struct ssh_event *out, struct why *why)
{
	struct span text;
	uint32_t reason;

	if (ch->state != CHANNEL_ASKED && ch->state != CHANNEL_ABANDONED)
		return out_of_turn(ch, why);
	if (!span_u32(&in, &reason) || !ssh_get_string(&in, &text))
		return err_set(why, ERR_SYNTAX, "bad channel failure");
	if (ch->state == CHANNEL_ABANDONED) {
		channel_free(ch);
		return ERR_AGAIN;
	}
	channel_retire(ch);
	*out = event_of(SSH_REFUSED, ch);
	out->reason = reason;
	out->data = text;
	return ERR_OK;
}

/* True from the confirmation to the peer's CLOSE: its messages have a place. */
static bool is_live(const struct ssh_channel *ch)
{
	return ch->state >= CHANNEL_OPEN && ch->state <= CHANNEL_CLOSING;
}

enum err ssh_on_window_adjust(struct ssh_channel *ch, struct span in,
	struct ssh_event *out, struct why *why)
{
	uint32_t n;

	if (!is_live(ch))
		return out_of_turn(ch, why);
	if (!span_u32(&in, &n))
		return err_set(why, ERR_SYNTAX, "bad window adjustment");
	if (n > UINT32_MAX - ch->out_left)
		return err_set(why, ERR_PROTO, "the window of channel %u overflows",
			(unsigned)ch->id);
	ch->out_left += n;
	if (ch->state != CHANNEL_OPEN)
		return ERR_AGAIN;
	*out = event_of(SSH_WINDOW, ch);
	return ERR_OK;
}

/* Checks data against what we allowed, and charges the window for it. */
static enum err take_data(struct ssh_channel *ch, struct span data, struct why *why)
{
	if (!is_live(ch) || ch->has_ended)
		return out_of_turn(ch, why);
	if (data.n > SSH_DATA_MAX)
		return err_set(why, ERR_PROTO, "too much data in a packet");
	if (data.n > ch->in_left)
		return err_set(why, ERR_PROTO, "data beyond the window of channel %u",
			(unsigned)ch->id);
	ch->in_left -= (uint32_t)data.n;
	return ERR_OK;
}

enum err ssh_on_data(struct ssh_channel *ch, struct span in, struct ssh_event *out,
	struct why *why)
{
	struct span data;
	enum err rc;

	if (!ssh_get_string(&in, &data))
		return err_set(why, ERR_SYNTAX, "bad channel data");
	rc = take_data(ch, data, why);
	if (rc != ERR_OK)
		return rc;
	/* After our CLOSE nobody listens;
	 * what was on its way is dropped, without credit. */
	if (data.n == 0 || ch->state == CHANNEL_CLOSING)
		return ERR_AGAIN;
	*out = event_of(SSH_DATA, ch);
	out->data = data;
	return ERR_OK;
}

/* Chisel has no use for it: dropped, and its credit given back. */
enum err ssh_on_extended_data(struct ssh_channel *ch, struct span in,
	struct ssh_event *out, struct why *why)
{
	struct span data;
	uint32_t type;
	enum err rc;

	(void)out;
	if (!span_u32(&in, &type) || !ssh_get_string(&in, &data))
		return err_set(why, ERR_SYNTAX, "bad extended data");
	rc = take_data(ch, data, why);
	if (rc == ERR_OK)
		rc = ssh_channel_credit(ch, (uint32_t)data.n);
	return rc == ERR_OK ? ERR_AGAIN : rc;
}

enum err ssh_on_eof(struct ssh_channel *ch, struct span in, struct ssh_event *out,
	struct why *why)
{
	(void)in;
	if (!is_live(ch))
		return out_of_turn(ch, why);
	if (ch->has_ended || ch->state == CHANNEL_CLOSING)
		return ERR_AGAIN;
	ch->has_ended = true;
	*out = event_of(SSH_EOF, ch);
	return ERR_OK;
}

enum err ssh_on_close(struct ssh_channel *ch, struct span in, struct ssh_event *out,
	struct why *why)
{
	enum err rc;

	(void)in;
	if (!is_live(ch))
		return out_of_turn(ch, why);
	if (ch->state == CHANNEL_CLOSING) {
		channel_free(ch);
		return ERR_AGAIN;
	}
	rc = send_plain(ch, SSH_MSG_CHANNEL_CLOSE);
	if (rc != ERR_OK)
		return rc;
	channel_retire(ch);
	*out = event_of(SSH_CLOSE, ch);
	return ERR_OK;
}

/* Chisel defines none, so all fail. After our CLOSE there is nothing to say. */
enum err ssh_on_channel_request(struct ssh_channel *ch, struct span in,
	struct ssh_event *out, struct why *why)
{
	struct span name;
	bool wants_reply;
	enum err rc;

	(void)out;
	if (!is_live(ch))
		return out_of_turn(ch, why);
	if (!ssh_get_string(&in, &name) || !ssh_get_bool(&in, &wants_reply))
		return err_set(why, ERR_SYNTAX, "bad channel request");
	if (!wants_reply || ch->state == CHANNEL_CLOSING)
		return ERR_AGAIN;
	rc = send_plain(ch, SSH_MSG_CHANNEL_FAILURE);
	return rc == ERR_OK ? ERR_AGAIN : rc;
}

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

static void write_u32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
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
	write_u32(payload + 1, ch->peer_id);
	write_u32(payload + 5, (uint32_t)n);
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
	return !ch->has_ended &&
		(ch->state == CHANNEL_OPEN || ch->state == CHANNEL_ENDED);
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

uint32_t ssh_channel_window_left(const struct ssh_channel *ch)
{
	return ch->in_left;
}

enum err ssh_channel_eof(struct ssh_channel *ch)
{
	if (ch->state == CHANNEL_ASKED || ch->state == CHANNEL_OFFERED)
		return ERR_USAGE;
	if (ch->state != CHANNEL_OPEN)
		return ERR_OK;
	ch->state = CHANNEL_ENDED;
	return send_plain(ch, SSH_MSG_CHANNEL_EOF);
}

enum err ssh_channel_close(struct ssh_channel *ch)
{
	switch (ch->state) {
	case CHANNEL_ASKED:
		ch->state = CHANNEL_ABANDONED; /* we cannot name it to the peer yet */
		return ERR_OK;
	case CHANNEL_OFFERED:
		return ssh_channel_refuse(ch, SSH_CONNECT_FAILED, "closed");
	case CHANNEL_OPEN:
	case CHANNEL_ENDED:
		ch->state = CHANNEL_CLOSING;
		return send_plain(ch, SSH_MSG_CHANNEL_CLOSE);
	case CHANNEL_ABANDONED:
	case CHANNEL_CLOSING:
	case CHANNEL_GONE:
		return ERR_OK;
	}
	return ERR_USAGE;
}
