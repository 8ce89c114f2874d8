/* A stream that counts. */
#include "net/meter.h"

#include <stdlib.h>

#include "base/mem.h"

struct meter {
	struct stream stream; /* @below is NULL once it was cut */
	struct meter_options o;
	struct meter_end end;
	unsigned wants;
	struct loop_deferred news; /* that it was cut */
};

static struct meter *meter_of(struct stream *s)
{
	return mem_container(s, struct meter, stream);
}

static enum err meter_note(struct meter *m, enum err rc)
{
	if (rc != ERR_OK && rc != ERR_AGAIN && rc != ERR_EOF && rc != ERR_CLOSED)
		m->end.rc = rc;
	return rc;
}

static enum err meter_read(struct stream *s, void *to, size_t room, size_t *got)
{
	struct meter *m = meter_of(s);
	enum err rc;

	if (m->stream.below == NULL)
		return ERR_RESET;
	rc = stream_read(m->stream.below, to, room, got);
	if (rc == ERR_OK)
		m->end.read_bytes += *got;
	return meter_note(m, rc);
}

static enum err meter_write(struct stream *s, const struct iovec *iov, int count,
	size_t *put)
{
	struct meter *m = meter_of(s);
	enum err rc;

	if (m->stream.below == NULL)
		return ERR_RESET;
	rc = stream_write(m->stream.below, iov, count, put);
	if (rc == ERR_OK)
		m->end.written_bytes += *put;
	return meter_note(m, rc);
}

static enum err meter_finish(struct stream *s)
{
	struct meter *m = meter_of(s);

	return m->stream.below != NULL ? stream_finish(m->stream.below) : ERR_RESET;
}

static void meter_want(struct stream *s, unsigned wants)
{
	struct meter *m = meter_of(s);

	m->wants = wants;
	if (m->stream.below != NULL)
		stream_want(m->stream.below, wants);
	else if (wants != 0)
		loop_defer(m->o.loop, &m->news);
}

static void meter_close(struct stream *s, bool is_abort)
{
	struct meter *m = meter_of(s);
	struct meter_options o = m->o;
	struct stream *below = s->below;
	struct meter_end end = m->end;

	if (!is_abort)
		end.rc = ERR_OK;
	else if (end.rc == ERR_OK)
		end.rc = ERR_CLOSED;
	loop_undefer(&m->news);
	free(m);
	if (below == NULL)
		return;
	below->ops->close(below, is_abort);
	o.on_closed(o.arg, &end);
}

static void meter_on_news(void *arg)
{
	struct meter *m = arg;

	if (m->wants != 0)
		m->stream.on_ready(m->stream.arg, m->wants);
}

enum err meter_open(const struct meter_options *o, struct meter **out)
{
	static const struct stream_ops ops = {
		.name = "meter",
		.read = meter_read,
		.write = meter_write,
		.finish = meter_finish,
		.want = meter_want,
		.close = meter_close,
	};
	struct meter *m = mem_new(m);

	if (m == NULL)
		return ERR_NOMEM;
	m->o = *o;
	loop_deferred_init(&m->news, meter_on_news, m);
	stream_want(o->below, 0);
	stream_filter_init(&m->stream, &ops, o->below);
	*out = m;
	return ERR_OK;
}

struct stream *meter_stream(struct meter *m)
{
	return &m->stream;
}

struct meter_end meter_progress(const struct meter *m)
{
	return m->end;
}

void meter_cut(struct meter *m)
{
	stream_abort(m->stream.below);
	m->stream.below = NULL;
	if (m->wants != 0)
		loop_defer(m->o.loop, &m->news);
}
