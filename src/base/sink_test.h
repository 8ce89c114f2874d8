/* For tests and fuzzers: a sink over a buf. */
#ifndef BASE_SINK_TEST_H
#define BASE_SINK_TEST_H

#include "base/mem.h"
#include "base/sink.h"

struct buf_sink {
	struct sink sink;
	struct buf *buf; /* borrowed: the owner's */
};

static inline enum err buf_sink_reserve(struct sink *s, size_t min, size_t max,
	struct mspan *out)
{
	struct buf *buf = mem_container(s, struct buf_sink, sink)->buf;
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

static inline void buf_sink_commit(struct sink *s, size_t n)
{
	buf_commit(mem_container(s, struct buf_sink, sink)->buf, n);
}

static inline void buf_sink_init(struct buf_sink *s, struct buf *buf)
{
	*s = (struct buf_sink){
		.sink = { .reserve = buf_sink_reserve, .commit = buf_sink_commit },
		.buf = buf,
	};
}

#endif
