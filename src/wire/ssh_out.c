/* What the engine sends: payloads made into packets in the sink, or held for later. */
#include "base/mem.h"
#include "wire/ssh_priv.h"

#define SCRATCH_KEEP_BYTES 1024 /* a larger scratch is given back after use */

enum err ssh_fail(struct ssh *ssh, enum err rc)
{
	if (ssh->failed == ERR_OK)
		ssh->failed = rc;
	return rc;
}

struct buf *ssh_begin(struct ssh *ssh, enum ssh_number number)
{
	buf_consume(&ssh->scratch, ssh->scratch.n);
	(void)buf_put_u8(&ssh->scratch, (uint8_t)number);
	return &ssh->scratch;
}

static enum err write_packet(struct ssh *ssh, struct span payload)
{
	struct sink *sink = ssh->options.out;
	size_t n = ssh_packet_size(&ssh->out, payload.n);
	struct mspan room;
	enum err rc = sink->reserve(sink, n, n, &room);

	if (rc != ERR_OK)
		return ssh_fail(ssh, rc);
	memcpy(room.p + SSH_PACKET_HEADER, payload.p, payload.n);
	rc = ssh_packet_seal(&ssh->out, room.p, payload.n);
	if (rc != ERR_OK)
		return ssh_fail(ssh, rc);
	sink->commit(sink, n);
	return ERR_OK;
}

static enum err hold(struct ssh *ssh, struct span payload)
{
	ssh_put_string(&ssh->held, payload);
	return ssh->held.failed == ERR_OK ? ERR_OK : ssh_fail(ssh, ssh->held.failed);
}

/* RFC 4253 7.1: only the transport's messages, and those of key exchange, may go
 * meanwhile. */
static bool must_wait(const struct ssh *ssh, struct span payload)
{
	return ssh->kex_out == SSH_OUT_HELD && payload.p[0] > SSH_MSG_KEX_LAST;
}

enum err ssh_send(struct ssh *ssh)
{
	struct span payload = buf_span(&ssh->scratch);
	enum err rc;

	if (ssh->failed != ERR_OK)
		return ssh->failed;
	if (ssh->scratch.failed != ERR_OK)
		return ssh_fail(ssh, ssh->scratch.failed);
	rc = must_wait(ssh, payload) ? hold(ssh, payload) : write_packet(ssh, payload);
	if (ssh->scratch.cap > SCRATCH_KEEP_BYTES) {
		mem_wipe(ssh->scratch.p, ssh->scratch.cap); /* it may be a password */
		buf_reset(&ssh->scratch);
	}
	return rc;
}

enum err ssh_send_held(struct ssh *ssh)
{
	struct span rest = buf_span(&ssh->held);
	struct span payload;
	enum err rc;

	while (ssh_get_string(&rest, &payload)) {
		rc = write_packet(ssh, payload);
		if (rc != ERR_OK)
			return rc;
	}
	buf_reset(&ssh->held);
	return ERR_OK;
}
