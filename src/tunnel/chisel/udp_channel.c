/* A UDP channel carries datagrams both ways over a channel. */
#include "tunnel/chisel/udp_channel.h"

#define UDP_CHANNEL_IN_MAX (2 * GOB_MESSAGE_MAX)
#define UDP_CHANNEL_OUT_MAX (4 * GOB_MESSAGE_MAX) /* more is dropped */
#define UDP_CHANNEL_READ_BYTES 16384

static void udp_channel_on_ready(void *arg, unsigned ready);

void udp_channel_init(struct udp_channel *u)
{
	*u = (struct udp_channel){ 0 };
	buf_init(&u->in, UDP_CHANNEL_IN_MAX);
	buf_init(&u->out, UDP_CHANNEL_OUT_MAX);
}

void udp_channel_close(struct udp_channel *u)
{
	stream_close(u->stream);
	u->stream = NULL;
	buf_reset(&u->in);
	buf_reset(&u->out);
}

static void udp_channel_fail(struct udp_channel *u, enum err rc)
{
	udp_channel_close(u);
	u->on_closed(u->arg, rc);
}

/* Writes what there is; false if the stream broke and the UDP channel is closed. */
static bool udp_channel_flush(struct udp_channel *u)
{
	enum err rc = ERR_OK;
	size_t put;

	while (rc == ERR_OK && u->out.n > 0) {
		rc = stream_put(u->stream, buf_span(&u->out).p, u->out.n, &put);
		if (rc == ERR_OK)
			buf_consume(&u->out, put);
	}
	if (rc != ERR_OK && rc != ERR_AGAIN) {
		udp_channel_fail(u, rc);
		return false;
	}
	stream_want(u->stream, LOOP_READ | (u->out.n > 0 ? LOOP_WRITE : 0));
	return true;
}

enum err udp_channel_open_take(struct udp_channel *u, struct stream *stream)
{
	enum err rc = gob_write_definition(&u->out);

	if (rc != ERR_OK)
		return rc;
	gob_reader_init(&u->reader);
	u->stream = stream;
	stream_set_owner(stream, udp_channel_on_ready, u);
	stream_want(stream, LOOP_READ | LOOP_WRITE);
	return ERR_OK;
}

void udp_channel_send(struct udp_channel *u, const struct gob_packet *packet)
{
	if (u->stream == NULL || u->out.max - u->out.n < GOB_MESSAGE_MAX)
		return;
	if (gob_write(&u->out, packet) == ERR_OK)
		stream_want(u->stream, LOOP_READ | LOOP_WRITE);
}

/* Hands out what has arrived whole. ERR_AGAIN: more is needed. */
static enum err udp_channel_take(struct udp_channel *u)
{
	struct gob_packet packet;
	struct span in;
	enum err rc = ERR_OK;

	while (rc == ERR_OK && u->stream != NULL) {
		in = buf_span(&u->in);
		rc = gob_read(&u->reader, &in, &packet);
		if (rc == ERR_OK)
			u->on_packet(u->arg, &packet);
		/* The packet lay in the buffer until now. */
		if (u->stream != NULL)
			buf_consume(&u->in, u->in.n - in.n);
	}
	return rc;
}

static enum err udp_channel_read(struct udp_channel *u)
{
	uint8_t *to;
	size_t got;
	enum err rc = buf_reserve(&u->in, UDP_CHANNEL_READ_BYTES, &to);

	if (rc == ERR_OK)
		rc = stream_read(u->stream, to, UDP_CHANNEL_READ_BYTES, &got);
	if (rc != ERR_OK)
		return rc;
	buf_commit(&u->in, got);
	rc = udp_channel_take(u);
	return rc == ERR_AGAIN ? ERR_OK : rc;
}

static void udp_channel_on_ready(void *arg, unsigned ready)
{
	struct udp_channel *u = arg;
	enum err rc = ERR_OK;

	if ((ready & LOOP_WRITE) && !udp_channel_flush(u))
		return;
	if (!(ready & LOOP_READ))
		return;
	while (rc == ERR_OK && u->stream != NULL)
		rc = udp_channel_read(u);
	if (rc != ERR_AGAIN && u->stream != NULL)
		udp_channel_fail(u, rc);
	else if (u->stream != NULL && u->in.n == 0)
		buf_reset(&u->in);
}
