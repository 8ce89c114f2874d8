/* What is the same for every kind of stream. */
#include "net/stream.h"

enum err stream_put(struct stream *s, const void *p, size_t n, size_t *put)
{
	struct iovec iov = { .iov_base = (void *)(uintptr_t)p, .iov_len = n };

	return stream_write(s, &iov, 1, put);
}
