/* The channel and the flows of a UDP remote. */
#include "tunnel/chisel/udp_channel.h"

#include <unistd.h>

#include "base/clock.h"

#define UDP_CHANNEL_IN_MAX (2 * GOB_MESSAGE_MAX)
#define UDP_CHANNEL_OUT_MAX (4 * GOB_MESSAGE_MAX) /* more is dropped */
#define UDP_CHANNEL_READ_BYTES 16384

#define UDP_IDLE_MS 15000
#define UDP_FLOWS_MAX 100

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

/* ---- flows ---- */

enum err udp_flows_init(struct udp_flows *f, const struct chisel_tuning *tuning)
{
	*f = (struct udp_flows){
		.max = chisel_tuned(tuning->udp_flows_max, UDP_FLOWS_MAX),
		.idle_ms = chisel_tuned(tuning->udp_deadline_ms, UDP_IDLE_MS),
		.datagram_max = chisel_tuned(tuning->udp_max_bytes, GOB_PAYLOAD_MAX),
	};
	list_init(&f->all);
	f->datagram = malloc(f->datagram_max);
	return f->datagram != NULL ? ERR_OK : ERR_NOMEM;
}

void udp_flow_free(struct udp_flow *flow)
{
	list_remove(&flow->in_flows);
	flow->flows->count--;
	loop_io_close(flow->io);
	if (flow->fd >= 0)
		close(flow->fd);
	free(flow);
}

void udp_flows_fini(struct udp_flows *f)
{
	struct list *it, *next;

	list_each(it, next, &f->all)
		udp_flow_free(list_object(it, struct udp_flow, in_flows));
	free(f->datagram);
}

void udp_flows_expire(struct udp_flows *f)
{
	uint64_t now = clock_now_ms();
	struct udp_flow *flow;

	while ((flow = list_first(&f->all, struct udp_flow, in_flows)) != NULL &&
		now - flow->used_ms > f->idle_ms)
		udp_flow_free(flow);
}

struct udp_flow *udp_flows_find(const struct udp_flows *f, struct span src)
{
	struct list *it, *next;

	list_each(it, next, &f->all) {
		struct udp_flow *flow = list_object(it, struct udp_flow, in_flows);

		if (span_eq(src, span_of(flow->src, flow->src_bytes)))
			return flow;
	}
	return NULL;
}

struct udp_flow *udp_flows_add(struct udp_flows *f, struct span src)
{
	struct udp_flow *flow = mem_new(flow);

	if (flow == NULL || src.n > sizeof(flow->src)) {
		free(flow);
		return NULL;
	}
	if (!list_is_empty(&f->all) && f->count >= f->max)
		udp_flow_free(list_object(f->all.next, struct udp_flow, in_flows));
	flow->flows = f;
	flow->fd = -1;
	flow->src_bytes = src.n;
	if (src.n > 0)
		memcpy(flow->src, src.p, src.n);
	list_init(&flow->in_flows);
	f->count++;
	udp_flow_touch(flow);
	return flow;
}

void udp_flow_touch(struct udp_flow *flow)
{
	flow->used_ms = clock_now_ms();
	list_remove(&flow->in_flows);
	list_add(&flow->flows->all, &flow->in_flows);
}
