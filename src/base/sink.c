/* A sink over a buf. */
#include "base/sink.h"

#include "base/mem.h"

static enum err buf_sink_reserve(struct sink *s, size_t min, size_t max,
	struct mspan *out)
{
	struct buf_sink *bs = mem_container(s, struct buf_sink, sink);
	struct buf *buf = bs->buf;
	size_t room = buf->max - buf->n;
	size_t n = max < room ? max : room;
	uint8_t *p;
	enum err rc;

	if (n < min)
		return ERR_LIMIT;
	rc = buf_reserve(buf, n, &p);
	if (rc == ERR_OK)
		*out = (struct mspan){ .p = p, .n = n };
	return rc;
}

static void buf_sink_commit(struct sink *s, size_t n)
{
	struct buf_sink *bs = mem_container(s, struct buf_sink, sink);

	buf_commit(bs->buf, n);
}

void buf_sink_init(struct buf_sink *s, struct buf *buf)
{
	*s = (struct buf_sink){
		.sink = { .reserve = buf_sink_reserve, .commit = buf_sink_commit },
		.buf = buf,
	};
}
