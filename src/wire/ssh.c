/*
 * The engine: takes the version line and packets, and calls the function of each message.
 */
#include "wire/ssh.h"

#include "base/mem.h"
#include "base/str.h"
#include "wire/ssh_priv.h"

#define STRANGER_PACKET_MAX 35000 /* before authentication, RFC 4253 6.1 */

enum err ssh_new(const struct ssh_options *options, struct ssh **out)
{
	struct ssh *ssh = mem_new(ssh);

	if (ssh == NULL)
		return ERR_NOMEM;
	ssh->options = *options;
	ssh->role = options->role;
	ssh->peer = options->role == SSH_CLIENT ? SSH_SERVER : SSH_CLIENT;
	ssh->phase = SSH_AT_VERSION;
	ssh->kex_left = SSH_KEX_LEFT_MAX;
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
	buf_wipe(&ssh->scratch); /* the password was in it */
	buf_fini(&ssh->held);
	mem_free_secret(ssh, sizeof(*ssh));
}

enum err ssh_start(struct ssh *ssh)
{
	struct sink *sink = ssh->options.out;
	struct span line = span_str(ssh_version_line(ssh->role));
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
	return ERR_OK;
}

static enum err on_disconnect(struct ssh *ssh, struct ssh_message *m)
{
	struct span text = { 0 };
	uint32_t reason = 0;
	char quoted[128];

	(void)ssh;
	if (!span_u32(&m->in, &reason) || !ssh_get_string(&m->in, &text))
		return err_set(m->why, ERR_CLOSED, "the peer disconnected");
	return err_set(m->why, ERR_CLOSED, "the peer disconnected: %s (reason %u)",
		str_quote(quoted, sizeof(quoted), text), (unsigned)reason);
}

/* IGNORE and DEBUG may come at any time, but for the first exchange of strict peers. */
static enum err on_ignored(struct ssh *ssh, struct ssh_message *m)
{
	if (ssh->phase == SSH_AT_KEX && ssh->is_strict)
		return err_set(m->why, ERR_PROTO,
			"unexpected packet in the first key exchange");
	return ERR_OK;
}

static enum err on_ping(struct ssh *ssh, struct ssh_message *m)
{
	struct span data;

	if (!ssh_get_string(&m->in, &data))
		return err_set(m->why, ERR_SYNTAX, "malformed PING");
	ssh_put_string(ssh_begin(ssh, SSH_MSG_PONG), data);
	return ssh_send(ssh);
}

#define SSH_AT_ANY (SSH_AT_KEX | SSH_AT_AUTH | SSH_AT_UP)

/* A message that is not here, or comes in another phase, ends the connection. */
static const struct rule {
	unsigned phases;
	ssh_message_fn *handle;
} rules[UINT8_MAX + 1] = {
	[SSH_MSG_DISCONNECT] = { SSH_AT_ANY, on_disconnect },
	[SSH_MSG_IGNORE] = { SSH_AT_ANY, on_ignored },
	[SSH_MSG_DEBUG] = { SSH_AT_ANY, on_ignored },
	[SSH_MSG_SERVICE_REQUEST] = { SSH_AT_AUTH, ssh_on_service_request },
	[SSH_MSG_SERVICE_ACCEPT] = { SSH_AT_AUTH, ssh_on_service_accept },
	[SSH_MSG_EXT_INFO] = { SSH_AT_AUTH, on_ignored },
	[SSH_MSG_KEXINIT] = { SSH_AT_KEX | SSH_AT_UP, ssh_on_kexinit },
	[SSH_MSG_NEWKEYS] = { SSH_AT_KEX | SSH_AT_UP, ssh_on_newkeys },
	[SSH_MSG_ECDH_INIT] = { SSH_AT_KEX | SSH_AT_UP, ssh_on_ecdh_init },
	[SSH_MSG_ECDH_REPLY] = { SSH_AT_KEX | SSH_AT_UP, ssh_on_ecdh_reply },
	[SSH_MSG_USERAUTH_REQUEST] = { SSH_AT_AUTH, ssh_on_auth_request },
	[SSH_MSG_USERAUTH_FAILURE] = { SSH_AT_AUTH, ssh_on_auth_failure },
	[SSH_MSG_USERAUTH_SUCCESS] = { SSH_AT_AUTH, ssh_on_auth_success },
	[SSH_MSG_USERAUTH_BANNER] = { SSH_AT_AUTH, on_ignored },
	[SSH_MSG_GLOBAL_REQUEST] = { SSH_AT_UP, ssh_on_global_request },
	[SSH_MSG_REQUEST_SUCCESS] = { SSH_AT_UP, ssh_on_reply },
	[SSH_MSG_REQUEST_FAILURE] = { SSH_AT_UP, ssh_on_reply },
	[SSH_MSG_CHANNEL_OPEN] = { SSH_AT_UP, ssh_on_channel_open },
	[SSH_MSG_CHANNEL_OPEN_CONFIRMATION] = { SSH_AT_UP, ssh_on_channel_message },
	[SSH_MSG_CHANNEL_OPEN_FAILURE] = { SSH_AT_UP, ssh_on_channel_message },
	[SSH_MSG_CHANNEL_WINDOW_ADJUST] = { SSH_AT_UP, ssh_on_channel_message },
	[SSH_MSG_CHANNEL_DATA] = { SSH_AT_UP, ssh_on_channel_message },
	[SSH_MSG_CHANNEL_EXTENDED_DATA] = { SSH_AT_UP, ssh_on_channel_message },
	[SSH_MSG_CHANNEL_EOF] = { SSH_AT_UP, ssh_on_channel_message },
	[SSH_MSG_CHANNEL_CLOSE] = { SSH_AT_UP, ssh_on_channel_message },
	[SSH_MSG_CHANNEL_REQUEST] = { SSH_AT_UP, ssh_on_channel_message },
	[SSH_MSG_PING] = { SSH_AT_UP, on_ping },
};

/* True if @number is the packet that the peer sent on a wrong guess: it means nothing. */
static bool is_wrong_guess(struct ssh *ssh, uint8_t number)
{
	if (ssh->kex_in != SSH_IN_METHOD || !ssh->exchange->skips_guess ||
		number < SSH_MSG_METHOD_FIRST || number > SSH_MSG_KEX_LAST)
		return false;
	ssh->exchange->skips_guess = false;
	return true;
}

static enum err dispatch(struct ssh *ssh, struct ssh_message *m)
{
	const struct rule *rule = &rules[m->number];

	if (is_wrong_guess(ssh, m->number))
		return ERR_OK;
	/* After its KEXINIT the peer may send nothing else until its NEWKEYS. */
	if ((rule->phases & ssh->phase) == 0 ||
		(ssh->kex_in != SSH_IN_FREE && m->number > SSH_MSG_KEX_LAST))
		return err_set(m->why, ERR_PROTO, "unexpected message %u", m->number);
	return rule->handle(ssh, m);
}

/* ERR_AGAIN: there is no whole packet. */
static enum err take_packet(struct ssh *ssh, struct mspan *in, struct ssh_message *m)
{
	size_t max = ssh->phase == SSH_AT_UP ? SSH_PACKET_MAX : STRANGER_PACKET_MAX;
	enum err rc = ssh_packet_open(&ssh->in, in, max, &m->in);

	if (rc == ERR_AGAIN)
		return rc;
	if (rc != ERR_OK)
		return err_set(m->why, rc, "invalid packet: %s", err_name(rc));
	(void)span_u8(&m->in, &m->number); /* a payload has a byte at least */
	ssh_handshake_earn(ssh);
	return dispatch(ssh, m);
}

/* What is due without another byte from the peer. */
static enum err take_turn(struct ssh *ssh, struct ssh_message *m)
{
	if (ssh->kex_in == SSH_IN_TRUST)
		return err_set(m->why, ERR_DENIED, "the server's key is not trusted");
	if (ssh->kex_in == SSH_IN_TRUSTED)
		return ssh_handshake_finish(ssh);
	if (ssh->auth == SSH_AUTH_ACCEPTED)
		ssh_auth_report(ssh, &m->event);
	return ERR_OK;
}

enum err ssh_next(struct ssh *ssh, struct mspan *in, struct ssh_event *out,
	struct why *why)
{
	struct ssh_message m = { .why = why };
	enum err rc, due;

	ssh_channel_reap(ssh);
	if (ssh->failed != ERR_OK)
		return ssh->failed;
	rc = take_turn(ssh, &m);
	while (rc == ERR_OK && m.event.kind == 0)
		rc = ssh->phase == SSH_AT_VERSION ? take_version(ssh, in, why) :
						    take_packet(ssh, in, &m);
	if (rc != ERR_OK && rc != ERR_AGAIN)
		return ssh_fail(ssh, rc);
	due = ssh_handshake_start_if_due(ssh);
	if (due != ERR_OK)
		return due;
	if (rc == ERR_OK)
		*out = m.event;
	return rc;
}
