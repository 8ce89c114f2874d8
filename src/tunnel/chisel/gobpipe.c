/* A gobpipe carries datagrams both ways over a channel. */
#include "tunnel/chisel/gobpipe.h"

#define GOBPIPE_IN_MAX (2 * GOB_MESSAGE_MAX)
#define GOBPIPE_OUT_MAX (4 * GOB_MESSAGE_MAX) /* more is dropped */
#define GOBPIPE_READ_BYTES 16384

static void gobpipe_on_ready(void *arg, unsigned ready);

void gobpipe_init(struct gobpipe *p)
{
	*p = (struct gobpipe){ 0 };
	buf_init(&p->in, GOBPIPE_IN_MAX);
	buf_init(&p->out, GOBPIPE_OUT_MAX);
}

void gobpipe_close(struct gobpipe *p)
{
	stream_close(p->stream);
	p->stream = NULL;
	buf_reset(&p->in);
	buf_reset(&p->out);
}

static void gobpipe_fail(struct gobpipe *p, enum err rc)
{
	gobpipe_close(p);
	p->on_closed(p->arg, rc);
}

/* Writes what there is; false if the stream broke and the pipe is closed. */
static bool gobpipe_flush(struct gobpipe *p)
{
	enum err rc = ERR_OK;
	size_t put;

	while (rc == ERR_OK && p->out.n > 0) {
		rc = stream_put(p->stream, buf_span(&p->out).p, p->out.n, &put);
		if (rc == ERR_OK)
			buf_consume(&p->out, put);
	}
	if (rc != ERR_OK && rc != ERR_AGAIN) {
		gobpipe_fail(p, rc);
		return false;
	}
	stream_want(p->stream, LOOP_READ | (p->out.n > 0 ? LOOP_WRITE : 0));
	return true;
}

enum err gobpipe_open_take(struct gobpipe *p, struct stream *stream)
{
	enum err rc = gob_write_definition(&p->out);

	if (rc != ERR_OK)
		return rc;
	gob_reader_init(&p->reader);
	p->stream = stream;
	stream_set_owner(stream, gobpipe_on_ready, p);
	stream_want(stream, LOOP_READ | LOOP_WRITE);
	return ERR_OK;
}

void gobpipe_send(struct gobpipe *p, const struct gob_packet *packet)
{
	if (p->stream == NULL || p->out.max - p->out.n < GOB_MESSAGE_MAX)
		return;
	if (gob_write(&p->out, packet) == ERR_OK)
		stream_want(p->stream, LOOP_READ | LOOP_WRITE);
}

/* Hands out what has arrived whole. ERR_AGAIN: more is needed. */
static enum err gobpipe_take(struct gobpipe *p)
{
	struct gob_packet packet;
	struct span in;
	enum err rc = ERR_OK;

	while (rc == ERR_OK && p->stream != NULL) {
		in = buf_span(&p->in);
		rc = gob_read(&p->reader, &in, &packet);
		if (rc == ERR_OK)
			p->on_packet(p->arg, &packet);
		/* The packet lay in the buffer until now. */
		if (p->stream != NULL)
			buf_consume(&p->in, p->in.n - in.n);
	}
	return rc;
}

static enum err gobpipe_read(struct gobpipe *p)
{
	uint8_t *to;
	size_t got;
	enum err rc = buf_reserve(&p->in, GOBPIPE_READ_BYTES, &to);

	if (rc == ERR_OK)
		rc = stream_read(p->stream, to, GOBPIPE_READ_BYTES, &got);
	if (rc != ERR_OK)
		return rc;
	buf_commit(&p->in, got);
	rc = gobpipe_take(p);
	return rc == ERR_AGAIN ? ERR_OK : rc;
}

static void gobpipe_on_ready(void *arg, unsigned ready)
{
	struct gobpipe *p = arg;
	enum err rc = ERR_OK;

	if ((ready & LOOP_WRITE) && !gobpipe_flush(p))
		return;
	if (!(ready & LOOP_READ))
		return;
	while (rc == ERR_OK && p->stream != NULL)
		rc = gobpipe_read(p);
	if (rc != ERR_AGAIN && p->stream != NULL)
		gobpipe_fail(p, rc);
	else if (p->stream != NULL && p->in.n == 0)
		buf_reset(&p->in);
}
