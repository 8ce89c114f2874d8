/*
 * The engine: takes the version line and packets, and hands each message to who knows it.
 */
#include "wire/ssh.h"

#include "base/mem.h"
#include "base/str.h"
#include "wire/ssh_engine.h"

#define STRANGER_PACKET_MAX 35000 /* before authentication, RFC 4253 6.1 */
#define KEX_FIRST_ALLOWANCE 1000

enum err ssh_new(const struct ssh_options *options, struct ssh **out)
{
	struct ssh *ssh = mem_new(ssh);

	if (ssh == NULL)
		return ERR_NOMEM;
	ssh->options = *options;
	ssh->phase = SSH_AT_VERSION;
	ssh->kex_left = KEX_FIRST_ALLOWANCE;
	buf_init(&ssh->scratch, SSH_PACKET_MAX - SSH_PACKET_OVERHEAD);
	buf_init(&ssh->held, SSH_HELD_BYTES_MAX);
	*out = ssh;
	return ERR_OK;
}

void ssh_free(struct ssh *ssh)
{
	if (ssh == NULL)
		return;
	ssh_channels_fini(ssh);
	ssh_exchange_free(ssh->exchange);
	ssh_cipher_fini(&ssh->in);
	ssh_cipher_fini(&ssh->out);
	if (ssh->scratch.cap > 0)
		mem_wipe(ssh->scratch.p, ssh->scratch.cap); /* the password was in it */
	buf_fini(&ssh->scratch);
	buf_fini(&ssh->held);
	mem_free_secret(ssh, sizeof(*ssh));
}

enum err ssh_start(struct ssh *ssh)
{
	struct sink *sink = ssh->options.out;
	struct span line = span_str(ssh_version_line(ssh->options.role));
	struct mspan room;
	enum err rc = sink->reserve(sink, line.n + 2, line.n + 2, &room);

	if (rc != ERR_OK)
		return ssh_fail(ssh, rc);
	memcpy(room.p, line.p, line.n);
	memcpy(room.p + line.n, "\r\n", 2);
	sink->commit(sink, line.n + 2);
	return ssh_handshake_start(ssh);
}

const char *ssh_version_line(enum ssh_role role)
{
	return role == SSH_CLIENT ? "SSH-chisel-v3-client" : "SSH-chisel-v3-server";
}

struct span ssh_peer_version(const struct ssh *ssh)
{
	return span_of(ssh->version, ssh->version_n);
}

bool ssh_can_send(const struct ssh *ssh)
{
	return ssh->phase == SSH_AT_UP && ssh->kex_out == SSH_OUT_FREE &&
		ssh->failed == ERR_OK;
}

void ssh_accept_host_key(struct ssh *ssh)
{
	if (ssh->kex_in == SSH_IN_TRUST)
		ssh->kex_in = SSH_IN_TRUSTED;
}

/* Cuts a line without its end off @in; with the lines before it, it is bounded. */
static enum err take_line(struct ssh *ssh, struct mspan *in, struct span *line)
{
	size_t max = SSH_VERSION_MAX + 2 - ssh->skipped_n;
	uint8_t *end = in->n == 0 ? NULL : memchr(in->p, '\n', in->n < max ? in->n : max);
	size_t n;

	if (end == NULL)
		return in->n < max ? ERR_AGAIN : ERR_LIMIT;
	n = (size_t)(end - in->p);
	*line = span_of(in->p, n > 0 && in->p[n - 1] == '\r' ? n - 1 : n);
	in->p += n + 1;
	in->n -= n + 1;
	ssh->skipped_n += n + 1;
	return ERR_OK;
}

static enum err take_version(struct ssh *ssh, struct mspan *in, struct why *why)
{
	struct span line;
	enum err rc;

	do {
		rc = take_line(ssh, in, &line);
	} while (rc == ERR_OK && (line.n < 4 || memcmp(line.p, "SSH-", 4) != 0));
	if (rc == ERR_OK && line.n > SSH_VERSION_MAX)
		rc = ERR_LIMIT;
	if (rc == ERR_AGAIN)
		return rc;
	if (rc != ERR_OK)
		return err_set(why, rc, "no SSH version line");

	memcpy(ssh->version, line.p, line.n);
	ssh->version_n = line.n;
	ssh->phase = SSH_AT_KEX;
	return ERR_AGAIN;
}

static enum err on_disconnect(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why)
{
	struct span text = { 0 };
	uint32_t reason = 0;
	char words[128];

	(void)ssh;
	(void)out;
	if (!span_u32(&in, &reason) || !ssh_get_string(&in, &text))
		return err_set(why, ERR_CLOSED, "the peer disconnected");
	return err_set(why, ERR_CLOSED, "the peer disconnected: %s (reason %u)",
		str_quote(words, sizeof(words), text), (unsigned)reason);
}

/* IGNORE and DEBUG may come at any time, but for the first exchange of strict peers. */
static enum err on_ignored(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why)
{
	(void)in;
	(void)out;
	if (ssh->phase == SSH_AT_KEX && ssh->is_strict)
		return err_set(why, ERR_PROTO,
			"a stray packet in the first key exchange");
	return ERR_AGAIN;
}

static enum err on_ping(struct ssh *ssh, struct span in, struct ssh_event *out,
	struct why *why)
{
	struct span data;
	enum err rc;

	(void)out;
	if (!ssh_get_string(&in, &data))
		return err_set(why, ERR_SYNTAX, "bad ping");
	ssh_put_string(ssh_begin(ssh, SSH_MSG_PONG), data);
	rc = ssh_send(ssh);
	return rc == ERR_OK ? ERR_AGAIN : rc;
}

#define SSH_AT_ANY (SSH_AT_KEX | SSH_AT_AUTH | SSH_AT_UP)

/* A message that is not here, or comes in another phase, ends the connection. */
static const struct rule {
	unsigned phases;
	ssh_message_fn *handle;
	ssh_channel_message_fn *handle_channel; /* begins with the number of a channel */
} rules[UINT8_MAX + 1] = {
	[SSH_MSG_DISCONNECT] = { SSH_AT_ANY, on_disconnect, NULL },
	[SSH_MSG_IGNORE] = { SSH_AT_ANY, on_ignored, NULL },
	[SSH_MSG_DEBUG] = { SSH_AT_ANY, on_ignored, NULL },
	[SSH_MSG_SERVICE_REQUEST] = { SSH_AT_AUTH, ssh_on_service_request, NULL },
	[SSH_MSG_SERVICE_ACCEPT] = { SSH_AT_AUTH, ssh_on_service_accept, NULL },
	[SSH_MSG_EXT_INFO] = { SSH_AT_AUTH, on_ignored, NULL },
	[SSH_MSG_KEXINIT] = { SSH_AT_KEX | SSH_AT_UP, ssh_on_kexinit, NULL },
	[SSH_MSG_NEWKEYS] = { SSH_AT_KEX | SSH_AT_UP, ssh_on_newkeys, NULL },
	[SSH_MSG_ECDH_INIT] = { SSH_AT_KEX | SSH_AT_UP, ssh_on_ecdh_init, NULL },
	[SSH_MSG_ECDH_REPLY] = { SSH_AT_KEX | SSH_AT_UP, ssh_on_ecdh_reply, NULL },
	[SSH_MSG_USERAUTH_REQUEST] = { SSH_AT_AUTH, ssh_on_auth_request, NULL },
	[SSH_MSG_USERAUTH_FAILURE] = { SSH_AT_AUTH, ssh_on_auth_failure, NULL },
	[SSH_MSG_USERAUTH_SUCCESS] = { SSH_AT_AUTH, ssh_on_auth_success, NULL },
	[SSH_MSG_USERAUTH_BANNER] = { SSH_AT_AUTH, on_ignored, NULL },
	[SSH_MSG_GLOBAL_REQUEST] = { SSH_AT_UP, ssh_on_global_request, NULL },
	[SSH_MSG_REQUEST_SUCCESS] = { SSH_AT_UP, ssh_on_request_success, NULL },
	[SSH_MSG_REQUEST_FAILURE] = { SSH_AT_UP, ssh_on_request_failure, NULL },
	[SSH_MSG_CHANNEL_OPEN] = { SSH_AT_UP, ssh_on_channel_open, NULL },
	[SSH_MSG_CHANNEL_OPEN_CONFIRMATION] = { SSH_AT_UP, NULL,
		ssh_on_open_confirmation },
	[SSH_MSG_CHANNEL_OPEN_FAILURE] = { SSH_AT_UP, NULL, ssh_on_open_failure },
	[SSH_MSG_CHANNEL_WINDOW_ADJUST] = { SSH_AT_UP, NULL, ssh_on_window_adjust },
	[SSH_MSG_CHANNEL_DATA] = { SSH_AT_UP, NULL, ssh_on_data },
	[SSH_MSG_CHANNEL_EXTENDED_DATA] = { SSH_AT_UP, NULL, ssh_on_extended_data },
	[SSH_MSG_CHANNEL_EOF] = { SSH_AT_UP, NULL, ssh_on_eof },
	[SSH_MSG_CHANNEL_CLOSE] = { SSH_AT_UP, NULL, ssh_on_close },
	[SSH_MSG_CHANNEL_REQUEST] = { SSH_AT_UP, NULL, ssh_on_channel_request },
	[SSH_MSG_PING] = { SSH_AT_UP, on_ping, NULL },
};

static enum err dispatch_to_channel(struct ssh *ssh, const struct rule *rule,
	struct span in, struct ssh_event *out, struct why *why)
{
	struct ssh_channel *ch;
	uint32_t id;

	if (!span_u32(&in, &id))
		return err_set(why, ERR_SYNTAX, "a channel message without a channel");
	ch = ssh_table_find(&ssh->channels, id);
	if (ch == NULL)
		return err_set(why, ERR_PROTO, "there is no channel %u", (unsigned)id);
	return rule->handle_channel(ch, in, out, why);
}

/* True if @number is the packet that the peer sent on a wrong guess: it means nothing. */
static bool is_wrong_guess(struct ssh *ssh, uint8_t number)
{
	if (ssh->kex_in != SSH_IN_METHOD || !ssh->exchange->skips_guess ||
		number < SSH_MSG_METHOD_FIRST || number > SSH_MSG_KEX_LAST)
		return false;
	ssh->exchange->skips_guess = false;
	return true;
}

static enum err dispatch(struct ssh *ssh, struct span payload, struct ssh_event *out,
	struct why *why)
{
	const struct rule *rule = &rules[payload.p[0]];
	uint8_t number = payload.p[0];
	struct span in = span_of(payload.p + 1, payload.n - 1);

	if (is_wrong_guess(ssh, number))
		return ERR_AGAIN;
	/* After its KEXINIT the peer may send nothing else until its NEWKEYS. */
	if ((rule->phases & ssh->phase) == 0 ||
		(ssh->kex_in != SSH_IN_FREE && number > SSH_MSG_KEX_LAST))
		return err_set(why, ERR_PROTO, "unexpected message %u", number);
	if (rule->handle_channel != NULL)
		return dispatch_to_channel(ssh, rule, in, out, why);
	return rule->handle(ssh, in, out, why);
}

/* ERR_AGAIN: a packet was taken, and there is no event. */
static enum err take_packet(struct ssh *ssh, struct mspan *in, struct ssh_event *out,
	struct why *why, bool *is_short)
{
	size_t max = ssh->phase == SSH_AT_UP ? SSH_PACKET_MAX : STRANGER_PACKET_MAX;
	struct span payload;
	enum err rc = ssh_packet_open(&ssh->in, in, max, &payload);

	*is_short = rc == ERR_AGAIN;
	if (rc == ERR_AGAIN)
		return rc;
	if (rc != ERR_OK)
		return err_set(why, rc, "bad packet: %s", err_name(rc));
	ssh_handshake_earn(ssh);
	return dispatch(ssh, payload, out, why);
}

/* What is due without another byte from the peer. */
static enum err take_turn(struct ssh *ssh, struct ssh_event *out, struct why *why)
{
	enum err rc;

	if (ssh->kex_in == SSH_IN_TRUST)
		return err_set(why, ERR_DENIED, "the server's key is not trusted");
	if (ssh->kex_in == SSH_IN_TRUSTED) {
		rc = ssh_handshake_finish(ssh);
		return rc == ERR_OK ? ERR_AGAIN : rc;
	}
	if (ssh->auth == SSH_AUTH_WELCOME)
		return ssh_auth_report(ssh, out);
	return ERR_AGAIN;
}

static enum err next(struct ssh *ssh, struct mspan *in, struct ssh_event *out,
	struct why *why)
{
	enum err rc = take_turn(ssh, out, why);
	bool is_short = false;

	if (rc == ERR_AGAIN && ssh->phase == SSH_AT_VERSION) {
		rc = take_version(ssh, in, why);
		is_short = ssh->phase == SSH_AT_VERSION;
	}
	while (rc == ERR_AGAIN && !is_short)
		rc = take_packet(ssh, in, out, why, &is_short);
	return rc;
}

enum err ssh_next(struct ssh *ssh, struct mspan *in, struct ssh_event *out,
	struct why *why)
{
	struct ssh_event event;
	enum err rc, due;

	ssh_channel_reap(ssh);
	if (ssh->failed != ERR_OK)
		return ssh->failed;
	rc = next(ssh, in, &event, why);
	if (rc != ERR_OK && rc != ERR_AGAIN)
		return ssh_fail(ssh, rc);
	due = ssh_handshake_start_if_due(ssh);
	if (due != ERR_OK)
		return due;
	if (rc == ERR_OK)
		*out = event;
	return rc;
}
