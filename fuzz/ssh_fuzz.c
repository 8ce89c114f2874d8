/*
 * The SSH engine against an unknown peer and against a defective authenticated one.
 *
 * The first byte chooses: bit 0 our role; bit 1 whether the rest is raw bytes from a
 * stranger, or records from a peer that is in; bit 2 whether such a peer's packets are
 * sealed, or plain, which lets it change keys; bit 3 whether it has yet to authenticate.
 *
 * A record is a byte: below 0xe0 a payload of that many bytes, which follow; otherwise
 * something that our side does.
 */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rand.h"
#include "base/sink_test.h"
#include "wire/ssh_priv.h"

#define SERVES 1
#define IS_KNOWN 2
#define IS_SEALED 4
#define IS_NAMELESS 8

#define FIRST_ACTION 0xe0
#define PIPE_MAX (1u << 20)
#define CHANNELS 8

struct side {
	struct ssh *ssh;
	struct buf out;
	struct buf_sink sink;
	struct ssh_channel *channels[CHANNELS]; /* that we may still use */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct hostkey *the_key(void)
{
	static struct hostkey *key;

	if (key == NULL && hostkey_from_seed("fuzz", &key) != ERR_OK)
		abort();
	return key;
}

static void side_init(struct side *s, enum ssh_role role)
{
	struct ssh_options options = {
		.role = role,
		.key = role == SSH_SERVER ? the_key() : NULL,
		.takes_keys = true,
		.user_key = the_key(),
		.user = "u",
		.password = "p",
		.out = &s->sink.sink,
	};

	*s = (struct side){ 0 };
	buf_init(&s->out, PIPE_MAX);
	buf_sink_init(&s->sink, &s->out);
	if (ssh_new(&options, &s->ssh) != ERR_OK)
		abort();
}

static void side_fini(struct side *s)
{
	ssh_free(s->ssh);
	buf_fini(&s->out);
}

static void remember(struct side *s, struct ssh_channel *ch)
{
	for (size_t i = 0; i < CHANNELS; i++) {
		if (s->channels[i] == NULL) {
			s->channels[i] = ch;
			return;
		}
	}
	(void)!ssh_channel_close(ch); /* an owner must not lose sight of one */
}

static void forget(struct side *s, const struct ssh_channel *ch)
{
	for (size_t i = 0; i < CHANNELS; i++) {
		if (s->channels[i] == ch)
			s->channels[i] = NULL;
	}
}

/* Reads all of an event, and answers what must be answered. */
static void heed(struct side *s, const struct ssh_event *e)
{
	volatile uint8_t sum = 0;

	for (size_t i = 0; i < e->name.n; i++)
		sum = (uint8_t)(sum + e->name.p[i]);
	for (size_t i = 0; i < e->data.n; i++)
		sum = (uint8_t)(sum + e->data.p[i]);
	if (e->kind == SSH_HOST_KEY)
		ssh_accept_host_key(s->ssh);
	else if (e->kind == SSH_PASSWORD)
		(void)!ssh_auth_reply(s->ssh, e->data.n == 1);
	else if (e->kind == SSH_KEY)
		(void)!ssh_auth_reply(s->ssh, true);
	else if (e->kind == SSH_OPEN)
		remember(s, e->channel);
	else if (e->kind == SSH_CLOSE || e->kind == SSH_REFUSED)
		forget(s, e->channel);
	else if (e->kind == SSH_DATA)
		(void)!ssh_channel_credit(e->channel, (uint32_t)e->data.n / 2);
	else if (e->kind == SSH_REQUEST && e->wants_reply && e->name.n % 2 == 0)
		(void)!ssh_reply(s->ssh, true, e->data);
}

/* Takes bytes; returns how many. */
static size_t hear(struct side *s, struct mspan in, enum err *rc)
{
	size_t n = in.n;
	struct ssh_event event;
	struct why why;

	while ((*rc = ssh_next(s->ssh, &in, &event, &why)) == ERR_OK)
		heed(s, &event);
	return n - in.n;
}

/* A stranger's bytes come in two pieces. */
static void meet_stranger(struct side *s, const uint8_t *data, size_t n)
{
	struct buf in;
	enum err rc = ERR_AGAIN;

	if (ssh_start(s->ssh) != ERR_OK)
		abort();
	buf_init(&in, PIPE_MAX);
	for (size_t i = 0; i < 2 && rc == ERR_AGAIN; i++) {
		size_t half = i == 0 ? n / 2 : n - n / 2;

		if (buf_put(&in, data + (i == 0 ? 0 : n / 2), half) != ERR_OK)
			break;
		buf_consume(&in, hear(s, buf_mspan(&in), &rc));
	}
	buf_fini(&in);
}

/* Keys from nowhere, as after a handshake, for what the peer sends and what we open. */
static void share_keys(struct side *s, enum ssh_role role, struct ssh_cipher *theirs)
{
	struct ssh_secret secret = { .shared = { 1 } };
	enum ssh_role peer = role == SSH_SERVER ? SSH_CLIENT : SSH_SERVER;
	enum aead_kind kind = role == SSH_SERVER ? AEAD_AES128_GCM :
						   AEAD_CHACHA20_POLY1305;

	if (ssh_kex_cipher(&secret, peer, kind, true, &theirs->aead) != ERR_OK ||
		ssh_kex_cipher(&secret, peer, kind, false, &s->ssh->in.aead) != ERR_OK)
		abort();
}

/* What an owner may do at any time. */
static void act(struct side *s, unsigned action)
{
	struct ssh_channel *ch = s->channels[action % 4];
	struct mspan room;

	if (action == 0xe0 && s->ssh->exchange == NULL && s->ssh->phase == SSH_AT_UP)
		(void)!ssh_handshake_start(s->ssh);
	else if (action == 0xe1 || action == 0xe2)
		(void)!ssh_request(s->ssh, "ping", action == 0xe1, span_str("data"));
	else if (action == 0xe3 &&
		ssh_channel_open(s->ssh, span_str("h:1"), 70000, s, &ch) == ERR_OK)
		remember(s, ch);
	if (ch == NULL || action < 0xe4)
		return;
	switch (action / 4 % 8) {
	case 1:
		(void)!ssh_channel_accept(ch, 70000, s);
		break;
	case 2:
		if (ssh_channel_refuse(ch, SSH_CONNECT_FAILED, "no") != ERR_USAGE)
			forget(s, ch);
		break;
	case 3:
		(void)!ssh_channel_credit(ch, 1000);
		break;
	case 4:
		(void)!ssh_channel_widen(ch, 140000);
		break;
	case 5:
		(void)!ssh_channel_eof(ch);
		break;
	case 6:
		forget(s, ch);
		(void)!ssh_channel_close(ch);
		break;
	default:
		if (ssh_channel_reserve(ch, 1000, &room) == ERR_OK)
			(void)!ssh_channel_commit(ch, room.n < 10 ? room.n : 10);
		break;
	}
}

/* Everything we say is a packet, and none is what stock peers die of. */
static void check_said(struct side *s)
{
	struct ssh_cipher plain = { 0 };
	struct mspan in = buf_mspan(&s->out);
	struct span payload;

	while (in.n > 0) {
		if (ssh_packet_open(&plain, &in, SSH_PACKET_MAX, &payload) != ERR_OK ||
			payload.p[0] == 3)
			abort();
	}
}

/* The peer talks on without keys: those of an exchange with a fuzzer nobody knows. */
static void drop_keys(struct side *s)
{
	ssh_cipher_fini(&s->ssh->in);
	ssh_cipher_fini(&s->ssh->out);
}

static enum err send_payload(struct side *s, struct ssh_cipher *c, struct span payload)
{
	uint8_t packet[FIRST_ACTION + SSH_PACKET_OVERHEAD];
	size_t n = ssh_packet_size(c, payload.n);
	enum err rc;

	memcpy(packet + SSH_PACKET_HEADER, payload.p, payload.n);
	if (ssh_packet_seal(c, packet, payload.n) != ERR_OK)
		abort();
	(void)hear(s, (struct mspan){ packet, n }, &rc);
	return rc;
}

static void meet_peer(struct side *s, struct ssh_cipher *c, bool is_sealed,
	struct span rest)
{
	enum err rc = ERR_AGAIN;
	struct span payload;
	uint8_t op;

	while (rc == ERR_AGAIN && span_u8(&rest, &op)) {
		if (op >= FIRST_ACTION)
			act(s, op);
		else if (op > 0 && span_cut(&rest, op, &payload))
			rc = send_payload(s, c, payload);
		if (!is_sealed && !s->ssh->has_session)
			check_said(s);
		if (!is_sealed)
			drop_keys(s);
		buf_consume(&s->out, s->out.n);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ssh_cipher theirs = { 0 };
	struct side us;
	enum ssh_role role;
	bool is_sealed;

	if (size == 0)
		return 0;
	rand_seed_for_tests(1);
	role = (data[0] & SERVES) != 0 ? SSH_SERVER : SSH_CLIENT;
	is_sealed = (data[0] & IS_SEALED) != 0;
	side_init(&us, role);
	if ((data[0] & IS_KNOWN) == 0) {
		meet_stranger(&us, data + 1, size - 1);
	} else {
		if (is_sealed)
			share_keys(&us, role, &theirs);
		us.ssh->in.rekey_bytes = us.ssh->out.rekey_bytes = UINT64_MAX;
		us.ssh->phase = (data[0] & IS_NAMELESS) != 0 ? SSH_AT_AUTH : SSH_AT_UP;
		us.ssh->auth = us.ssh->phase == SSH_AT_UP ? SSH_AUTH_OVER :
							    SSH_AUTH_SERVICE;
		meet_peer(&us, &theirs, is_sealed, span_of(data + 1, size - 1));
	}
	side_fini(&us);
	ssh_cipher_fini(&theirs);
	return 0;
}
